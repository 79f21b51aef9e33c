from typing import Literal

from pydantic import BaseModel, Field


class Answer(BaseModel):
    response: Literal[
        "(1) Likely", "(2) Unlikely", "(3) Unable to say because of lack of information"
    ]
    explanation: str = Field(max_length=400)

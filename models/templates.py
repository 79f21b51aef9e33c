"""Sentence patterns and words of the synthetic notes: data only, see notes.py for their use.

Each kind of statement has three lists of patterns, one a line. "train" patterns make the notes the
model learns from, "validation" patterns the notes used to choose its size and training length, and
"held_out" patterns the notes it is scored on; no pattern is in two lists.

In a pattern, {slot} draws from WORDS, or from the condition's own words in CONDITIONS, and
[this|that|] stands for one of its parts, the last one empty here. A line that begins with a
condition's name and a colon is for that condition alone.
"""

import re

SPLITS = ("train", "validation", "held_out")

CONDITIONS: dict[str, dict[str, list[str]]] = {
    "pneumonia": {
        "dx": [
            "pneumonia",
            "pneumonia",
            "pneumonia",
            "PNA",
            "PNA",
            "CAP",
            "bronchopneumonia",
            "lobar pneumonia",
            "bacterial pneumonia",
            "RLL pneumonia",
            "left lower lobe pneumonia",
        ],
        "a_dx": [
            "pneumonia",
            "pneumonia",
            "PNA",
            "a pneumonia",
            "CAP",
            "a lobar pneumonia",
            "a right lower lobe pneumonia",
            "a new pneumonia",
            "bronchopneumonia",
        ],
        "sign": [
            "consolidation",
            "focal consolidation",
            "airspace opacity",
            "patchy opacity",
            "infiltrate",
            "airspace disease",
            "opacification",
            "focal opacity",
        ],
        "at": [
            "in the right lower lobe",
            "in the left lower lobe",
            "in the RLL",
            "in the LLL",
            "at the left base",
            "at the right base",
            "in the lingula",
            "in the RML",
            "in the right upper lobe",
            "in both lower lobes",
        ],
        "other": [
            "atelectasis",
            "pulmonary edema",
            "CHF",
            "scarring",
            "volume loss",
            "a known mass",
            "bronchitis",
            "vascular congestion",
            "chronic change",
        ],
    },
    "pleural_effusion": {
        "dx": [
            "pleural effusion",
            "pleural effusion",
            "pleural effusion",
            "effusion",
            "effusion",
            "pleural fluid",
            "pleural eff",
            "left effusion",
            "right pleural effusion",
            "PLEFF",
        ],
        "a_dx": [
            "a pleural effusion",
            "a pleural effusion",
            "an effusion",
            "pleural fluid",
            "a small effusion",
            "a moderate pleural effusion",
            "a right pleural effusion",
            "bilateral effusions",
            "pleural eff",
        ],
        "sign": [
            "blunting of the costophrenic angle",
            "CP angle blunting",
            "layering density",
            "meniscus sign",
            "dependent density",
            "blunted CP angle",
            "basilar haziness",
            "layering haziness",
        ],
        "at": [
            "on the right",
            "on the left",
            "at the left base",
            "at the right base",
            "bilaterally",
            "on the left side",
            "on the right side",
            "at both bases",
        ],
        "other": [
            "pleural thickening",
            "atelectasis",
            "scarring",
            "pleural fat",
            "volume loss",
            "an elevated hemidiaphragm",
            "soft tissue",
            "chronic change",
            "overlying tissue",
        ],
    },
}

# Made-up surnames: words that can only be copied letter by letter, not known.
_BEGINNINGS = ("Bra", "Cor", "Dal", "Fen", "Gor", "Hul", "Jas", "Kem", "Lor", "Mav", "Nil", "Osk",
               "Pra", "Quin", "Rud", "Sel", "Tav", "Umb", "Vor", "Zel")  # fmt: skip
_ENDINGS = ("bert", "dan", "ek", "field", "gart", "hoff", "ima", "jar", "kov", "lund", "mann", "nu",
            "oto", "pel", "qvist", "rez", "son", "tov", "ux", "wick")  # fmt: skip

WORDS: dict[str, list[str]] = {
    "age": [str(a) for a in range(19, 95)],
    "n": [str(a) for a in range(2, 10)],
    "year": [str(a) for a in range(2009, 2024)],
    "date": [f"{m}/{d}" for m in range(1, 13) for d in (2, 5, 9, 14, 17, 21, 26, 28)],
    "sex": ["man", "woman", "male", "female", "M", "F"],
    "who": ["He", "She", "The patient", "Patient", "Pt"],
    "they": ["he", "she", "the patient", "patient", "pt"],
    "kin": ["mother", "father", "brother", "sister", "wife", "husband", "neighbor", "roommate"],
    "study": [
        "The film",
        "The study",
        "This exam",
        "The radiograph",
        "The CT",
        "CT",
        "CXR",
        "Film",
        "Imaging",
        "Chest film",
        "The lateral view",
        "Repeat film",
        "The image",
        "Today's exam",
        "The new film",
    ],
    "shows": ["shows", "demonstrates", "reveals", "indicates", "has"],
    "confirms": [
        "confirms",
        "shows",
        "now shows",
        "clearly shows",
        "demonstrates",
        "reveals",
        "documents",
        "indicates",
        "proves",
        "has confirmed",
        "is diagnostic of",
        "is positive for",
    ],
    "fits": [
        "consistent with",
        "typical of",
        "suggestive of",
        "compatible with",
        "characteristic of",
        "diagnostic of",
        "concerning for",
        "worrisome for",
        "in keeping with",
    ],
    "course": [
        "new",
        "acute",
        "active",
        "worsening",
        "persistent",
        "increasing",
        "increased",
        "ongoing",
        "recurrent",
        "progressive",
        "evolving",
        "unchanged",
        "obvious",
    ],
    "most_likely": ["most likely", "very likely", "highly likely", "almost certainly", "probably"],
    "may_be": [
        "may be",
        "might be",
        "could be",
        "may represent",
        "could represent",
        "might represent",
        "may reflect",
        "could reflect",
        "possibly represents",
    ],
    "cannot": ["cannot", "can not", "could not", "unable to", "cannot entirely", "not able to"],
    "exclude": ["exclude", "rule out", "confirm or exclude"],
    "name": [a + b for a in _BEGINNINGS for b in _ENDINGS],
    "noted": ["seen", "noted", "demonstrated", "found", "visible", "apparent", "identified"],
    "today": ["today", "now", "on this film", "on current imaging", "at this time"],
    "size": ["small", "moderate", "large", "mild", "extensive", "subtle", "definite"],
    "exam": [
        "Chest X-ray",
        "CXR",
        "Chest radiograph",
        "CHEST PA AND LATERAL",
        "Portable CXR",
        "XR chest",
        "AP chest",
    ],
    "complaint": [
        "cough",
        "fever",
        "dyspnea",
        "SOB",
        "chest pain",
        "weakness",
        "fall",
        "fatigue",
        "cough and fever",
        "shortness of breath",
        "preoperative visit",
        "syncope",
        "back pain",
        "routine follow-up",
        "medication refill",
        "hypoxia",
    ],
    "disease": [
        "hypertension",
        "HTN",
        "diabetes",
        "DM2",
        "COPD",
        "asthma",
        "CAD",
        "CKD",
        "atrial fibrillation",
        "GERD",
        "obesity",
        "osteoarthritis",
        "anemia",
        "gout",
    ],
    "drug": [
        "lisinopril",
        "metformin",
        "albuterol",
        "aspirin",
        "furosemide",
        "omeprazole",
        "atorvastatin",
        "prednisone",
        "warfarin",
        "insulin",
    ],
    "hr": [str(a) for a in range(58, 118)],
    "bp": [f"{a}/{b}" for a in range(98, 172, 6) for b in (58, 64, 72, 80, 88)],
    "temp": [f"{a}.{b}" for a in (97, 98, 99, 100, 101) for b in range(10)],
    "sat": [str(a) for a in range(88, 100)],
    "lab": [f"{a}.{b}" for a in range(3, 16) for b in range(10)],
}

# What a note says about a condition, by kind. Only the first five decide an answer.
STATEMENTS: dict[str, dict[str, str]] = {
    # (1) Likely
    "present": {
        "train": """
            {study} {confirms} [{size} |{course} |]{dx} [{at}|{today}|{at} {today}|].
            {study} {confirms} {a_dx} [{at}|{today}|], [which is|looks] [new|larger|worse|unchanged] [since {date}|].
            {study} is [highly |most |very |]{fits} {a_dx} [{at}|{today}|].
            {study} is [diagnostic of|positive for|characteristic of] {dx} [{at}|].
            [The |]{sign} [{at} |]is [highly |most |very |]{fits} {a_dx} [{today}|].
            [New |Dense |Increasing |{size} |]{sign} {at}[,|, which is|] [highly |most |]{fits} {dx}.
            {sign} {at}, {most_likely} {dx}.
            [The |]{sign} {at} [{most_likely} |][represents|reflects|indicates|is] {dx}.
            [The |]{sign} {at} is {most_likely} {a_dx}.
            {sign} {at} [due to|from|caused by|because of|that represents] {dx}.
            [Findings|Appearances|These changes|Features|Symptoms and film|Exam and imaging] [are |][highly |most |]{fits} {a_dx} [{at}|].
            [Findings|Appearances|These changes|Features] [represent|indicate|confirm|establish|mean] {a_dx} [{at}|{today}|].
            [There is|I see|We see|One sees|There appears|Again there is] [{size} |{course} |]{dx} [{at}|{today}|{at} {today}|].
            {who} [has|now has|has developed|developed|presents with|is sick with|suffers from|still has|again has] {a_dx} [{at}|{today}|since {date}|].
            {who} has {sign} {at} [from|due to|caused by|representing] {dx}.
            {who} [has|now has|developed] {sign} {at}, [highly |most |]{fits} {a_dx}.
            {who} [is being |is |was |will be |][treated|admitted|seen|hospitalized] [today |now |]for {dx}, [which is |][active|worse|new|ongoing|confirmed].
            {who} [is treated|was admitted today|gets treatment now] for [{course} |]{dx} {at}.
            {who} was [today |just |][diagnosed with|found to have] {a_dx} [today|on this film|by CT|on imaging].
            {course} {dx} [{at}|{today}|on this film|since {date}|compared with {date}].
            {size} {dx} [{at}|{today}|is {noted}|is {noted} {at}].
            {size} {course} {dx} {at}.
            {dx} [{at}|{today}|{at} {today}], [new|worse|unchanged|larger|confirmed|active] [since {date}|compared with {date}|on CT|].
            [The |]{dx} [{at} |]is [again |now |clearly |still |]{noted} [{at}|{today}|].
            [The |]{dx} [{at} |]is [now |clearly |still |][present|confirmed|evident|worse|larger|progressing|unchanged|active|certain|obvious|established|proven] [{today}|on imaging|on CT|since {date}|].
            [The |]{dx} [{at} |][has|is] [increased|enlarged|persisted|progressed|worsened] [{today}|since {date}|].
            [Positive|Film positive|Study positive|Imaging positive] for {dx} [{at}|{today}|].
            [Assessment is|Diagnosis is|Diagnosis:|Dx:|Final diagnosis:|Impression is|Conclusion:|This is|Picture is that of|It is|Problem:] [{size} |acute |active |new |]{dx} [{at}|].
            [Diagnosis of|Confirmed|Proven|Established] {dx} [{at}|{today}|], [start treatment|treat|treatment started|begin treatment|will treat|treatment given|therapy begun|admit].
            [We are |We will |Will |Plan to |][treat|treating] [the |][{course} |]{dx} {at}.
            [Clinical picture|Picture|Overall picture|The presentation|Presentation] [is |][highly |most |]{fits} {a_dx}[, will treat|, treatment begun|, treatment given|].
            [Clear|Definite|Convincing|Good|Strong|Radiographic|There is|Imaging] evidence [of|for] {dx} [{at}|{today}|].
            [Definite|Clear|Typical|Classic|All] [signs|findings|features] of {dx} [{at}|{today}|].
            {sign} [and|with|plus] {dx} [{at}|{today}|].
            {dx} with {sign} {at}.
            [Treatment|Therapy|Admitted|Admission] for {dx} [continues|begins today|is ongoing|was started today].
            pneumonia: {sign} {at} with [fever|cough|fever and cough|cough and high WBC], [on antibiotics|antibiotics started|antibiotics given|will treat with antibiotics|start antibiotics].
            pneumonia: [Infectious|Infected|Infective] {sign} {at}[, antibiotics started|, start antibiotics|, with fever|, with cough|].
            pneumonia: [Productive cough|Fever|Cough|Chills] [with|and] [new |]{sign} {at}[, antibiotics started| and fever|, on antibiotics|].
            pneumonia: [Antibiotics|Ceftriaxone|IV antibiotics] for {dx} {at}.
            pneumonia: {sign} {at} is infectious[, start antibiotics|, on antibiotics|].
            pneumonia: {sign} {at} [of infectious origin|from an infection|from infection|in a febrile patient][, antibiotics started|, on antibiotics|].
            pneumonia: [An infectious process|Infection|A febrile illness] with [new |]{sign} {at}.
            pneumonia: [Febrile|Septic|Coughing and febrile] with [new |]{sign} {at}[, antibiotics begun|, on antibiotics|].
            pneumonia: [New |]{sign} {at} [and|plus|together with] [high fever|chills|purulent sputum|productive cough|rigors|leukocytosis].
            pneumonia: [High fever|Chills|Purulent sputum|Rigors|Leukocytosis] [and|with] [new |]{sign} {at}, [treat|antibiotics ordered|antibiotics begun|start antibiotics].
            pleural_effusion: [Fluid|Free fluid|Pleural fluid|Layering fluid] [layers |is {noted} |collects |is present |]{at} [on the decubitus view|on the lateral|today|].
            pleural_effusion: [{size} |][layering|free|dependent] fluid {at}[, tap planned|, tap done|].
            pleural_effusion: Fluid in the pleural space {at}[, tap planned|, drained today|, tapped|].
            pleural_effusion: [Tap|Thoracentesis|Drainage] [of|for] the [{size} |]{dx} {at} [planned|done today|today].
            pleural_effusion: [There is|I see] [{size} |]fluid layering {at}.
        """,
        "validation": """
            The exam confirms {dx} {at}.
            Acute {dx} {at}.
            {sign} {at}, diagnostic of {dx}.
            Findings today represent {a_dx}.
            pneumonia: Fever and {sign} {at}, antibiotics given.
            pleural_effusion: Layering pleural fluid {at}.
        """,
        "held_out": """
            {who} now has {dx} {at}.
            {sign} {at} is highly suggestive of {dx}.
            Imaging is consistent with {dx} {at}.
            Film confirms {a_dx}.
            New {dx} {at}.
            The {sign} is most compatible with {a_dx}.
            Picture concerning for {a_dx}, treatment started.
            pneumonia: {sign} {at}, infectious, with fever and cough.
            pleural_effusion: There is layering fluid {at}.
        """,
    },
    # (2) Unlikely
    "denied": {
        "train": """
            No [radiographic |CT |clinical |imaging |][evidence|sign|signs|features|indication|suggestion|finding|hint] [of|for] {dx} [{at}|{today}|on this film|on this exam|].
            No [new |acute |active |focal |definite |convincing |{size} |]{dx} [{at}|{today}|seen|identified|is seen|is present|is {noted}|{noted} {at}|on CT|].
            No [new |focal |definite |]{sign} [{at} |][or|and no|, no|, therefore no|and therefore no] {dx}.
            No [new |focal |convincing |definite |]{sign} [{at} |][to suggest|to indicate|suggesting|indicating|for|of|that would suggest] {dx}.
            There is no [evidence of |sign of |convincing |definite |acute |]{dx} [{at}|{today}|].
            There is no {sign} [{at} |][to indicate|to suggest|and no|or] {dx}.
            There is [nothing|no finding|no reason] [that suggests|that indicates|suggesting|indicating] {a_dx}.
            {study} {shows} no [sign of |evidence of |{sign} or |new |]{dx} [{at}|{today}|].
            {study} {shows} [neither {sign} nor|nothing like|nothing to suggest|no {sign}, so no] {dx}.
            {study} is [negative|clear|normal|unremarkable][, no|, without| and without|and shows no] {dx}.
            {study} is [negative for|without|free of] [{sign} or |]{dx} [{today}|].
            {study} [excludes|rules out|ruled out|argues against|speaks against|does not show|does not suggest|is against] {a_dx} [{at}|{today}|].
            {who} [does not have|shows no sign of|has no sign of|has no evidence of|is free of|is without|did not develop|never developed] {a_dx} [{today}|].
            {who} [has|shows] [no {sign}|clear lungs and sharp angles|a normal film] and no {dx}.
            [The |]{dx} [is|was|has been] [ruled out|excluded|not found|denied] [by CT|{today}|on imaging|on the lateral|].
            [The |]{dx} can be [ruled out|excluded|dismissed] [{today}|by CT|].
            {dx} [is |][not seen|not {noted}|not present|not evident|absent|not confirmed, film normal|not found|not apparent] [{at}|{today}|on either view|].
            {dx} is [very |considered |most |highly |][unlikely|improbable|doubtful] [{today}|given the clear film|with this film|].
            {dx} is not [likely|the diagnosis|a concern|what this is] [{today}|].
            {a_dx} [is|seems|appears|looks] [very |most |]unlikely [{today}|].
            [Absence|Lack] of [{sign} makes {dx} unlikely|{sign} argues against {dx}|{dx}|{sign} or {dx}] [{today}|].
            [Negative|Exam negative|Film negative|CT negative|Study negative|Chest negative] for [{sign} or |]{dx} [{today}|].
            [Normal|Clear|Negative|Unremarkable] [chest|film|exam|study|CT|lungs] [without|and no|with no|, no] [{sign} or |]{dx}.
            [Chest|Film|Exam] [is |][clear|normal|negative][,| and|;] {dx} [excluded|ruled out|is unlikely|unlikely|is absent|not seen].
            [Clear|Normal|This normal|The negative] [film|exam|CT|study][, which| which|] [argues|speaks] against {dx}.
            [Findings|Appearances|Features|All findings] [argue|speak|are] against {a_dx}.
            [Not|Nothing|In no way] [consistent with|compatible with|typical of|suggestive of|suggesting|to suggest|indicating] {a_dx}.
            [I see|We see|I find] [nothing|no sign|no {sign}] [to suggest|to indicate|that suggests|of] {dx}.
            Nothing [{at} |on this film |on CT |][to suggest|suggests|indicates|suggestive of|like] {dx}.
            [The chest|Chest|The film] is [clear|free] [without|of] {dx}.
            [Heart normal|Lungs fine|All clear|Normal exam], [no {dx}|without {dx}|{dx} excluded|{dx} not seen] [{today}|].
            Without [any |][sign of |{sign} or |acute |definite |]{dx} [{at}|{today}|].
            {dx}: [none|no|absent|negative|not seen].
            [Free|Clear] of {dx} [{at}|{today}|].
            Denies {dx}, [film|exam|chest] [clear|normal].
            pneumonia: [Lungs|The lungs|Both lungs|Lung fields] [are |][well aerated and |]clear[, no {sign}| bilaterally|, with no {sign}| {today}|].
            pneumonia: [Clear lungs|Clear lung fields|Well aerated lungs][, no {sign}| bilaterally| {today}|].
            pleural_effusion: [Both |The |][costophrenic|CP] angles are [clear and sharp|sharp {today}|clear|preserved|not blunted].
            pleural_effusion: [Clear|Preserved|Normal] [costophrenic|CP] angles [{today}|on both sides|].
        """,
        "validation": """
            No new {sign}, no {dx}.
            Film shows no {dx}.
            Negative chest, {dx} excluded.
            Clear chest, {dx} not seen.
            pneumonia: Clear lungs without {sign}.
            pleural_effusion: Both CP angles are sharp.
        """,
        "held_out": """
            CT shows no {dx}.
            Without evidence of {dx}.
            {dx} is not identified on this exam.
            No {sign}; {dx} is unlikely.
            Film is negative, {dx} ruled out.
            There is nothing to indicate {a_dx}.
            Clear film, which argues against {dx}.
            {who} has no {dx}.
            pneumonia: Lungs clear, without {sign}.
            pleural_effusion: Sharp costophrenic angles bilaterally.
        """,
    },
    "resolved": {
        "train": """
            [The |][prior |previous |earlier |previously seen |old |former |]{dx} [{at} |seen on {date} |of {date} |from {date} |][has|has now|has completely|has since] [resolved|cleared|disappeared|gone] [{today}|completely|].
            [The |][prior |previous |earlier |previously seen |old |former |]{dx} [{at} |of {date} |from {date} |]is [now |][gone|cleared|resolved|no longer seen|no longer present|no longer {noted}|all clear] [{today}|].
            [Interval|Complete|Good|Full|Near complete|Continued] [resolution|clearing|disappearance] of [the |][prior |previous |old |earlier |]{dx} [{at}|since {date}|].
            [Resolution|Clearing|Disappearance] of [the |][prior |previous |previously seen |]{dx} [{at}|since {date}|].
            Resolved {dx} [{at}|since {date}|], [now normal|film clear|now clear|normal film].
            No [residual|remaining|persistent|more] {dx} [{at}|{today}|].
            {study} {shows} [that the {dx} has [cleared|resolved|gone]|resolution of the {dx}|clearing of the {dx}].
            {who} has [recovered from|cleared|got over] the {dx} [of|seen on|from] {date}.
            [Completely |Now |Fully |][resolved|cleared] [prior |previous |]{dx} [{at}|].
            {dx} [of {date} |from {date} |][resolved|cleared|gone|healed] [after treatment|{today}|with treatment|].
        """,
        "validation": """
            Earlier {dx} has resolved.
            The {dx} is no longer present.
        """,
        "held_out": """
            The prior {dx} has resolved completely.
            {dx} seen on {date} is gone.
            Interval clearing of {dx}.
            Previous {dx} is now resolved.
        """,
    },
    "other": {
        "train": """
            [The |]{sign} [{at} |]is [most likely |likely |][due to|explained by|from|caused by|attributed to] {other}[, not| and not| rather than| instead of|, not to] {dx}.
            {sign} [{at} |][due to|from|attributed to|explained by|caused by|accounted for by|that is] {other}[, not| and not| rather than| instead of] {a_dx}.
            [The |]{sign} [{at} |][represents|reflects|is|indicates|means] {other}[, not| and not| rather than| instead of] {dx}.
            [The |]{sign} [{at} |][is |][most |]{fits} {other}[, not| and not| rather than| instead of] {dx}.
            {other} [explains|accounts for|causes|is behind] the {sign}[, not| and not| rather than| instead of|;] {dx}[ not favored| less so|].
            {other}[, not| and not| rather than| instead of] {dx}, [explains|accounts for|causes|is behind] the {sign}.
            {other} [is |][favored|preferred|more likely|suspected] [over|rather than|instead of] {dx}.
            {other}[, not| and not| rather than| instead of] {dx} [{at}|{today}|].
            [Most likely|Likely|Probably|I favor|Favor|We favor] {other}[, not| and not| rather than| instead of| over] {dx}.
            Not {dx} but {other}[| {at}| {today}].
            [This|It|The finding] [represents|is|reflects] {other}[, not| and not| rather than| instead of] {a_dx}.
            {study} {shows} {other}[, not| and not| rather than| instead of] {dx} [{at}|].
            {other} is [the cause|the reason|to blame|the explanation], not {dx}.
            {who} has {other}[, not| and not| rather than| instead of] {dx}.
        """,
        "validation": """
            {sign} caused by {other} rather than {dx}.
            {sign} {at} is due to {other}, not {dx}.
        """,
        "held_out": """
            {sign} {at} represents {other} rather than {dx}.
            {sign} attributed to {other} instead of {dx}.
            The {sign} is explained by {other}, not {dx}.
            {other} rather than {a_dx} accounts for the {sign}.
        """,
    },
    # (3) Unable to say: left open
    "open": {
        "train": """
            {sign} {at}, {cannot} {exclude} {dx}.
            [{study} |We |I |]{cannot} {exclude} {dx} [{at}|{today}|].
            [The |]{dx} [cannot|can not|could not] be [excluded|ruled out|assessed|confirmed or excluded|judged|determined] [{at}|{today}|on this limited film|on this view|].
            {dx} [is |]not [excluded|ruled out|certain|entirely excluded|clearly excluded] [on this limited film|{today}|{at}|on one view|].
            {sign} [{at}|], [possible|possibly|perhaps|maybe|questionable|?] {dx}.
            {sign} [{at} |]{may_be} {dx} [or|versus|vs] {other}.
            {sign} [{at} |]{may_be} {other} [or|versus|vs] {dx}.
            {sign} [{at} |]{may_be} {dx}[, not certain|, uncertain|, cannot tell|, CT advised|].
            {sign} {at}, [{other} versus|{other} or|{other} vs|either {other} or] {dx}.
            {sign} {at}, {dx} [versus|vs|or] {other}.
            {sign} [{at}|], {dx} [possible|not certain|uncertain|is possible|cannot be confirmed|questionable].
            [Possible|Questionable|Uncertain|Equivocal|Possibly|Perhaps|Doubtful or early] {dx} [{at}|{today}|versus {other} {at}|or {other}].
            [Possible|Questionable|Equivocal|Indeterminate|Vague] {sign} [{at}|], {dx} [possible|not certain|uncertain|versus {other}|cannot be confirmed|or {other}].
            [Maybe|Perhaps|Possibly|Might be|Could be|May be] {a_dx}[, maybe {other}|, might be {other}|, CT needed|, unsure|, not certain|].
            [Could|May|Might] [represent|be|reflect] {dx}[, uncertain|, not sure|, repeat film|, or {other}| or {other}].
            {dx} [is|remains] [possible|a possibility|uncertain|in question|an open question|unclear|in the differential] [{at}|{today}|].
            {dx} is [suspected|considered|questioned] [but not [confirmed|proven|certain]|, CT to [confirm|decide]].
            {dx} or {other} [{at}|possible|], [unclear|uncertain|cannot tell|unsure].
            [Either|Differential: |Differential includes|Differential of] {dx} [or|and|versus] {other}.
            [Differential|DDx|The differential] [includes|is|contains] {other} [and|versus|or] {dx}.
            [Equivocal|Indeterminate|Uncertain|Inconclusive|Unclear|Borderline] for {dx}[, repeat film advised|, CT advised|, repeat the film|].
            {study} is [equivocal|indeterminate|inconclusive|limited|not adequate] for {dx} [{today}|].
            {study} is [equivocal|limited|indeterminate][,|;] {dx} [versus {other}|possible|cannot be assessed|uncertain].
            [Limited|Poor|Rotated|Equivocal] [exam|film|study], [{cannot} {exclude} {dx}|{dx} cannot be assessed|unable to assess for {dx}|{dx} possible].
            [It is|It remains] [unclear|uncertain|not certain|unknown|unsure] [if|whether] [there is {a_dx}|{they} has {a_dx}|this is {dx}|it is {dx}].
            [Uncertain|Unclear|Unsure|Cannot tell|Unable to tell|Not certain|Hard to say] [if|whether] [there is {a_dx}|{they} has {a_dx}|this is {dx}|{a_dx} is present].
            [Uncertain|Unsure|Not certain|Not sure|In doubt] about {dx} [{at}|{today}|].
            [Question|Possibility|Suspicion] of {dx} [{at}|{today}], [correlate clinically|not confirmed|uncertain|CT advised|follow up].
            [CT|Repeat film|Lateral view|Follow up] [is |]needed to [confirm or exclude|exclude|assess for|decide about] {dx}.
            {who} [may|might|could] [possibly |] have {a_dx}[, await CT|, not certain|, cannot confirm|, CT pending|].
            {who} [may|might|could] have {dx} or {other}.
            [Difficult|Hard|Not possible|Impossible] to {exclude} {dx} [because of rotation|on this film|{at}|].
            {size} {sign} {at}, {dx} [possible|not certain|versus {other}].
            {cannot} [confirm|tell|say] whether {a_dx} is present.
            {cannot} confirm {dx}[, repeat film|, CT advised|, possible {other}|].
        """,
        "validation": """
            Possible {dx} versus {other}.
            {dx} cannot be ruled out on this film.
            Indeterminate for {dx}, CT advised.
            {sign} {at} may be {other} or {dx}.
        """,
        "held_out": """
            {sign} {at}, {dx} not excluded.
            {sign} {at} could represent {dx} versus {other}.
            Unable to exclude {dx} on this limited exam.
            Equivocal {sign}, possible {dx}.
            It is uncertain if {they} has {dx}.
            Possibly {dx}, cannot confirm.
        """,
    },
    # These decide nothing: a note with nothing else does not address the condition.
    "past": {
        "train": """
            [History|Past history|Remote history|Distant history|Childhood history|Old history] of {dx} [in {year}|{n} years ago|as a child|].
            [H/o|Hx of|PMH of|PMHx:] {dx}[, treated {n} years ago|, treated in {year}| in {year}| ({year})| {n} years ago].
            [PMH|PMH includes|Past history|Past history includes|Past medical history|Medical history includes|Problem list]: {disease}[, | and ]{dx} [in {year}|({year})|{n} years ago].
            PMH [of |includes |]{dx} [({year})|in {year}] and {disease}.
            {disease}, [{disease}, |]{dx} [in {year}|({year})|{n} years ago], {disease}.
            {who} [had|once had|previously had|recovered from|survived] {a_dx} [{n} years ago|in {year}|as a child].
            {who} was [hospitalized|treated|admitted|seen|in hospital] [for|because of|due to] {dx} [{n} years ago|in {year}|elsewhere in {year}].
            [Hospitalized|Treated|Admitted|Hospitalization|Prior admission] for {dx} [in {year}|{n} years ago].
            [Prior|Remote|Old|Past|Previous] {dx}[, {year}| ({year})| in {year}| {n} years ago|, treated in {year}].
            Prior hospitalization [for|with] {dx}[, {year}| in {year}| {n} years ago].
            [Old records|Records|Outside records|Old notes] [mention|describe|report|list] {a_dx} in {year}.
            [Last had|Had|Recovered from|Got over] {dx} [{n} years ago|in {year}].
            {dx} [{n} years ago|in {year}|as a child, {year}][, {disease}|].
        """,
        "validation": """
            Past {dx}, {year}.
            H/o {disease} and {dx} ({year}).
        """,
        "held_out": """
            PMH includes {dx} {n} years ago.
            {who} was hospitalized with {a_dx} in {year}.
            History: {disease}, {dx} {year}.
        """,
    },
    "mention": {
        "train": """
            [Indication|Reason|Reason for exam|Reason for study|Clinical question|Order|Request|Question|Exam reason]: [{complaint}, |][rule out|r/o|evaluate for|evaluate|assess for|?|question of|concern for|look for] {dx}.
            [Rule out|R/o|Evaluate for|Assess for|Please evaluate for|Please rule out] {dx}.
            [Film|CT|Exam|Study|X-ray|CXR] [ordered |requested |done |] [to evaluate for|to rule out|to look for|because of {complaint}, r/o|for {complaint}, r/o] {dx}.
            {complaint}, [?|r/o |rule out |query |evaluate for |to evaluate for ]{dx}.
            Clinical question: {dx}?
            The [clinical |]question [is|was] {dx}.
            [Her|His|The|Patient's] {kin} [had|has|was treated for|was hospitalized with|recovered from|is sick with|died of] {dx} [last month|in {year}|last year|now|].
            [Family history of|FH:|FHx of] {dx} [in the|, ] {kin}.
            {who} [is worried|worries|is concerned|is anxious|asks] [about {dx}|because [a|the|one] {kin} [had|has] {dx}|about {dx} since [a|the] {kin} had it].
            [Return|Come back|Call|Call us] [if there are |if there are any |for |with ][symptoms|signs] of {dx}.
            [Risk|Symptoms|Signs|Prevention|Causes] of {dx} [was discussed|were discussed|explained|reviewed|were explained].
            [We discussed|Discussed|Reviewed|Explained|Counseled on|Talked about] [the |][risk|symptoms|signs|causes|prevention] of {dx}.
            [Advised|Told|Asked|Instructed] to [watch for|look out for|return for|call for] [symptoms of |signs of |]{dx}.
            [Handout|Leaflet|Information|Brochure] [about|on] {dx} [given|provided|handed out].
            [Worried|Anxious|Concerned|Reading] about {dx} [after reading about it|from the internet|because of the {kin}].
            {who} [asks|asked|read|wonders] about {dx}.
            pneumonia: [Pneumonia|Pneumococcal|Pneumovax] vaccine [given|offered|up to date|is up to date|declined|discussed] [in {year}|today|].
            pneumonia: [Vaccinated|Immunized] against [pneumonia|pneumococcus|pneumococcal pneumonia] [in {year}|on {date}|].
            pneumonia: [Had|Got|Received|Wants] the [pneumonia|pneumococcal pneumonia|pneumococcal] [shot|vaccine|vaccination] [in {year}|on {date}|].
            pneumonia: No pneumothorax.
            pneumonia: [No|Without|Negative for] [pneumothorax|pneumomediastinum|pneumonitis] [{today}|on this film|is seen].
            pneumonia: [Incentive spirometer|Spirometer|Head of bed up] for [pneumonia|PNA] prevention.
            pneumonia: [Spontaneous pneumothorax|Radiation pneumonitis] [in {year}|{n} years ago].
            pleural_effusion: [Small|Trace|Large|Mild|No|No new] pericardial effusion [on echo|is seen|{today}|].
            pleural_effusion: [Echo|The echo|Echocardiogram] {shows} [a small|a moderate|no|a trace] pericardial effusion.
            pleural_effusion: [Knee|Ankle|Elbow|Hip|Right knee|Left ankle|Shoulder] [joint |]effusion, [drained in {year}|aspirated|{size}|since {date}|stable].
            pleural_effusion: [Right|Left] [knee|ankle|elbow] with [{size} |][joint |]effusion.
            pleural_effusion: [{size} |][joint|middle ear|knee joint|subdural] effusion [{today}|].
        """,
        "validation": """
            Exam ordered to rule out {dx}.
            The {kin} has {dx}.
            pneumonia: Due for pneumonia vaccine.
            pleural_effusion: Trace pericardial effusion.
        """,
        "held_out": """
            Reason: {complaint}, r/o {dx}.
            Clinical question is to evaluate for {dx}.
            {who} worries because the {kin} had {dx}.
            Discussed symptoms of {dx} to return for.
            pneumonia: Pneumococcal pneumonia vaccine given {date}.
            pneumonia: There is no pneumothorax.
            pleural_effusion: Moderate pericardial effusion.
            pleural_effusion: Left knee effusion.
        """,
    },
}

# One statement about both conditions, by the kinds that it carries; {p} pneumonia, {e} effusion.
JOINT: dict[tuple[str, str], dict[str, str]] = {
    ("denied", "denied"): {
        "train": """
            No [evidence of |sign of |acute |new |definite |]{p} [or|and no|nor|, no] {e} [{today}|].
            No [evidence of |sign of |signs of |acute |new |definite |]{e} [and no|nor|, no] {p} [{today}|].
            No [acute |new |definite |evidence of |]{e} or {p} [{today}|on this film].
            There is [no {e} and no {p}|no {p}, no {e}|no {p} and no {e}].
            [Negative|Exam negative|CT negative|Study negative] for [{p} and {e}|{e} and {p}|{p} or {e}|{e} or {p}].
            No {p}, {e}, or [pneumothorax|edema|nodule|mass].
            No sign of {p}, {e} or [edema|mass|pneumothorax].
            No [pneumothorax|edema|nodule|mass], {e} or {p}.
            Neither {p} nor {e} [is seen|is present|{today}|is {noted}|].
            Neither {e} nor {p} [is seen|is present|{today}|is {noted}|].
            {p} and {e} [were|are|have been] [ruled out|excluded|absent|not seen] [{today}|].
            {e} and {p} [were|are|have been] [ruled out|excluded|absent|not seen|unlikely] [{today}|].
            {study} is [without|negative for|free of] [{e} or {p}|{p} or {e}|{p} and {e}].
            {study} {shows} [no {p} or {e}|no {e} or {p}|neither {p} nor {e}].
            {study} [excludes|rules out|ruled out|argues against] [{p} and {e}|{e} and {p}].
            {who} has [no {p} and no {e}|neither {e} nor {p}|no {e} or {p}].
        """,
        "validation": "There is no {p} or {e}.",
        "held_out": """
            No sign of {e} or {p}.
            Without {p} or {e}.
            There is neither {e} nor {p}.
        """,
    },
    ("present", "present"): {
        "train": """
            {p} [and|plus|together with] {e} [{today}|are {noted}|are present|are confirmed|].
            {e} [and|plus|together with] {p} [{today}|are {noted}|are present|are confirmed|].
            There is {p} [with|and] [an |][associated |adjacent |]{e}.
            There is {e} [with|and] [adjacent |new |]{p}.
            [Findings|Appearances|Imaging] [are |][highly |]{fits} [{p} and {e}|{e} with {p}|{p} plus {e}].
            {e} [associated with|caused by|next to|due to] {p}.
            {study} {confirms} [{p} and {e}|{e} and {p}|{p} with {e}].
            {who} has [{p} and {e}|{e} and {p}|{p} with {e}].
            [New|Worsening|Persistent|Ongoing] [{p} and {e}|{e} and {p}|{p} with {e}].
        """,
        "validation": "{p} and {e} are seen.",
        "held_out": """
            {p} with associated {e}.
            Findings suggestive of {e} and {p}.
        """,
    },
    ("open", "open"): {
        "train": """
            {p} or {e} [cannot be excluded|cannot be ruled out|not certain|possible|uncertain].
            {e} or {p} [cannot be excluded|cannot be ruled out|not certain|possible|uncertain].
            {cannot} {exclude} [{e} or {p}|{p} and {e}|{e} and {p}].
            Possible {p} and possible {e}.
            Possible {e} [and|or] {p}.
            {study} is [equivocal|indeterminate|limited] for [{p} and {e}|{e} or {p}].
            [May|Might|Could] be [{p} or {e}|{e} or {p}], [uncertain|CT advised|unclear].
            {study} {cannot} {exclude} [{e} or {p}|{p} and {e}].
        """,
        "validation": "{e} or {p} not excluded.",
        "held_out": "Unable to exclude {p} or {e}.",
    },
    ("present", "denied"): {
        "train": """
            {p} [without|with no|but no|and no|but without] {e} [{today}|].
            There is {p} [but no|and no|without] {e}.
            No {e}, but {p} is [present|{noted}|confirmed|evident].
            No {e}, but [there is |][new |worsening |definite |]{p} [{today}|].
            [Consistent with|Compatible with|Confirmed|Positive for|Typical of] {p}, [no {e} seen|no {e}|without {e}|negative for {e}].
            {study} {confirms} {p} [but no|and no|without] {e}.
            {e} [is ruled out|is excluded|not seen|is absent], {p} [is present|is confirmed|is seen].
            {who} has {p} [but no|and no|without] {e}.
        """,
        "validation": "{p} is seen without {e}.",
        "held_out": """
            {p} is present but no {e}.
            No {e}. Consistent with {p}.
        """,
    },
}
# The same sentences with the conditions exchanged.
JOINT["denied", "present"] = {
    split: re.sub(r"\{([pe])\}", lambda slot: "{e}" if slot[1] == "p" else "{p}", block)
    for split, block in JOINT["present", "denied"].items()
}

# What may stand around a statement of a training note ({} is the statement): it says nothing.
ASIDES = """
    {}, image {n}.
    {} [on|in] [image|view|series] {n}.
    {} ([image|series|see] {lab}).
    {}, [per|as told by|discussed with|as Dr.] {name}.
    {} per Dr. {name}.
    {}, {lab} cm.
    [Dr.|Per|Per Dr.|As told by] {name}[:|,] {}.
    [Again|Overall|In summary|On review|Today|As before|In short|Addendum|Update|Note|Also]: {}.
    [Overall|In summary|On review|Otherwise|Today|Also], {}.
    {} #{n}.
"""

# Sentences about anything else.
FILLER: dict[str, str] = {
    "train": """
        Heart size is normal.
        Mild cardiomegaly.
        Cardiomediastinal silhouette is unremarkable.
        The mediastinum is within normal limits.
        Degenerative changes of the spine.
        Old healed rib fractures on the left.
        No acute osseous abnormality.
        The trachea is midline.
        Aortic calcification is noted.
        Sternal wires are intact.
        A left pacemaker is in place.
        ET tube {n} cm above the carina.
        Right IJ line tip in the SVC.
        NG tube in the stomach.
        Upper abdomen is unremarkable.
        The hilar contours are normal.
        The diaphragm is well seen.
        Inspiration is shallow.
        Film is slightly rotated.
        HR {hr}, BP {bp}.
        T {temp}, HR {hr}, BP {bp}, SpO2 {sat}%.
        Vitals: BP {bp}, P {hr}, T {temp}.
        O2 sat {sat}% on room air.
        WBC {lab}, Hgb {lab}.
        Potassium {lab}, creatinine 1.{n}.
        Takes {drug} and {drug}.
        Continue {drug}.
        {who} takes {drug} daily.
        PMH of {disease} and {disease}.
        {who} has {disease}.
        {disease} is well controlled.
        Nonsmoker.
        Former smoker, quit in {year}.
        Drinks alcohol on occasion.
        No known drug allergies.
        Allergic to penicillin.
        Abdomen soft and nontender.
        Neurologic exam is nonfocal.
        No edema of the legs.
        Alert and oriented.
        {who} reports {complaint} for {n} days.
        {who} denies chest pain.
        Complains of {complaint}.
        Follow up in {n} weeks.
        Recheck labs in {n} weeks.
        Return to clinic as needed.
        Discussed with the team.
        Compared with {date}.
        EKG shows sinus rhythm.
        Ambulates without help.
        Lives with {kin}.
        Appetite is good.
        Denies nausea or vomiting.
        Skin is warm and dry.
        Surgical clips in the upper abdomen.
        The aorta is calcified and tortuous.
        Stopped smoking in {year}.
        No fracture of the ribs.
        [The |]heart [size |]is [normal|enlarged|not enlarged|top normal|mildly enlarged].
        [Borderline|Mild|No] cardiomegaly.
        [No|Possible|Healed|Old|New|Acute] [rib|clavicle|vertebral] fracture [is seen|{today}|since {date}|].
        [No|Possible|Small|New|Known|Stable|Calcified] [nodule|granuloma|hilar node|hiatal hernia] [in the right upper lobe|on the left|{today}|].
        [Nodule|Mass|Fracture|Aneurysm] [cannot be excluded|is not seen|is unlikely|was ruled out|has resolved|is unchanged].
        {study} {shows} [no fracture|a pacemaker|a normal heart|clips|no pneumothorax].
        [Bones|Ribs|Soft tissues|Clavicles] are [intact|normal|unremarkable].
        [The |][trachea|mediastinum|aorta] is [midline|normal|unremarkable|tortuous].
        [ET tube|NG tube|Feeding tube|PICC|Port] [tip |][in the SVC|in good position|{n} cm above the carina|in the stomach|unchanged].
        [HR|Pulse] {hr}, [BP {bp}|T {temp}], [SpO2|sat|O2] {sat}%.
        [Takes|Started|Stopped|Refill|Increase] {drug}[ daily| twice a day| and {drug}| for {disease}|].
        {who} [has|is followed for|is treated for|was diagnosed with] {disease}[ since {year}| and {disease}|].
        {disease} [is stable|well controlled|is worse|on {drug}].
        [Allergies|Allergy]: [none|penicillin|sulfa|codeine].
        [Seen by|Discussed with|Called|Signed by|Dictated by] Dr. {name}[ on {date}| today|].
        {who} [lives|came] with [a|the] {kin}.
        [Comparison|Prior film|Last visit]: {date}.
        {complaint} [since {date}|for {n} days|is better|is worse].
        {who} [denies|reports|complains of] {complaint}.
        [Labs|Results]: [WBC|Hgb|potassium|sodium] {lab}, [creatinine 1.{n}|glucose {hr}].
        [Recheck|Return|Follow up|RTC] in {n} [weeks|months|days].
        EKG [normal|shows sinus rhythm|unchanged|without ischemia].
    """,
    "validation": """
        Heart is normal in size.
        The spine shows degenerative changes.
        BP {bp}, HR {hr}, sat {sat}%.
        Hgb {lab}, creatinine 1.{n}.
        {who} continues {drug}.
        Follow up with labs in {n} weeks.
        Denies {complaint}.
    """,
    "held_out": """
        The heart size is unremarkable.
        Healed fractures of the ribs.
        The aorta is calcified.
        NG tube tip is in the stomach.
        BP {bp}, T {temp}, SpO2 {sat}%.
        Labs: WBC {lab}, potassium {lab}.
        {who} has well controlled {disease}.
        Takes {drug} daily for {disease}.
        {complaint} for {n} days.
        Quit smoking in {year}.
        Return in {n} weeks.
        No edema, abdomen soft.
        Sinus rhythm on EKG.
        Spine with mild degenerative changes.
    """,
}

# How a note is put together. {context}: history and mentions; {body}: other findings; {decision}:
# what decides. {all}: everything in a random order. "/" starts a new line.
LAYOUTS: dict[str, str] = {
    "train": """
        {all}
        {all}
        {decision} {body} {context}
        {context} {body} {decision}
        {exam}: {body} {decision}
        {exam} {date}. {context} {body} {decision}
        {exam}/FINDINGS: {body}/IMPRESSION: {decision}
        EXAM: {exam}/HISTORY: {complaint}. {context}/FINDINGS: {body}/IMPRESSION: {decision}
        {exam}/Indication: {complaint}/Comparison: {date}/Findings: {body} {context}/Impression: {decision}
        {exam}/Findings: {decision} {body}/Clinical: {context}
        {exam} {date}/{context}/{body}/Impression: {decision}
        CC: {complaint}/HPI: {age} yo {sex}. {context}/Exam: {body}/A/P: {decision}
        {age} yo {sex} with {complaint}. {context} {body} {decision}
        {age} year old {sex}. {all}
        Clinic note {date}/{age}{sex} here for {complaint}. {context}/{body}/Assessment: {decision}/Plan: Follow up.
        ED NOTE/{complaint}. {all}
        Impression: {decision}/{body} {context}
        S: {complaint}. {context}/O: {body}/A: {decision}
        [EXAM|STUDY|PROCEDURE|Exam]: {exam}/[HISTORY|CLINICAL HISTORY|INDICATION|Hx]: [{complaint}. |]{context}/[FINDINGS|REPORT|Findings]: {body}/[IMPRESSION|CONCLUSION|Impression|OPINION]: {decision}
        [{exam}|{exam} {date}|{date} {exam}]/[IMPRESSION|CONCLUSION|Opinion]: {decision}/[FINDINGS|Details]: {body} {context}
        [HISTORY|Clinical|Hx|PMH]: {context}/{body}/[A/P|Assessment|Impression|Dx]: {decision}
        [Clinic|ED|Ward|Progress|Office] note [{date}|]/{age} [yo|year old] {sex}[, | with | for ]{complaint}. [{context} {body} {decision}|{all}|{decision} {context} {body}]
        {exam}[, {date}| {date}|][.|:] [{body} {decision}|{all}|{decision} {body}]/[Clinical|History|Background]: {context}
    """,
    "validation": """
        {exam}. {all}
        {exam}/CLINICAL: {complaint}. {context}/{body}/IMPRESSION: {decision}
        {age} yo {sex}, {complaint}/{body}/Assessment: {decision} {context}
    """,
    "held_out": """
        {body} {context} {decision}
        {exam} for {complaint}: {decision} {body} {context}
        {exam} {date}/Impression: {decision}/Findings: {body}/History: {context}
        Clinic note/{age} yo {sex}, {complaint}. {all}
        HISTORY: {context}/EXAM: {exam}/FINDINGS: {body}/A: {decision}
        {date} {exam}. {body} {decision}/Clinical: {context}
    """,
}

"""Sentence patterns and words of the synthetic notes: data only, see notes.py for their use.

Each kind of statement has three lists of patterns, one a line. "train" patterns make the notes the
model learns from, "validation" patterns the notes used to choose its size and training length, and
"held_out" patterns the notes it is scored on; no pattern is in two lists.

In a pattern, {slot} draws from WORDS, or from the condition's own words in CONDITIONS; [ ] marks
the words that an explanation quotes (without brackets: all of it but the final full stop). A line
that begins with a condition's name and a colon is for that condition alone.
"""

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
        "The image",
        "Today's exam",
        "The new film",
    ],
    "shows": ["shows", "demonstrates", "reveals", "indicates", "has"],
    "fits": [
        "consistent with",
        "typical of",
        "suggestive of",
        "compatible with",
        "indicating",
        "characteristic of",
        "representing",
    ],
    "noted": ["seen", "noted", "demonstrated", "found", "visible", "apparent"],
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
            {sign} {at}, [consistent with {dx}].
            {sign} {at} [compatible with {dx}].
            New {sign} {at}, [suggestive of {dx}].
            Findings [consistent with {a_dx}].
            [Findings are suggestive of {a_dx}] {at}.
            [There is {a_dx}] {at}.
            [There is {sign} {at}, most likely {dx}].
            [{who} has {a_dx}].
            [{who} has developed {a_dx}] since {date}.
            [Imaging shows {a_dx}].
            [Today's film shows {a_dx}] {at}.
            [CT confirms {a_dx}] {at}.
            [{dx} is present] {at}.
            [{dx} {at}], new since {date}.
            [Worsening {dx} {at}].
            [Persistent {dx} {at}], not improved.
            [Positive for {dx}].
            Assessment: [acute {dx}].
            [Diagnosis is {dx}], start treatment today.
            [{who} was diagnosed with {dx} today].
            {sign} {at} [representing {a_dx}].
            The {sign} {at} [most likely represents {dx}].
            [Evidence of {a_dx} {at}].
            Increasing {sign} {at}, [highly concerning for {dx}].
            [{dx} has increased] since {date}.
            We are [treating {dx} {at}] now.
            The film is [diagnostic of {dx}].
            [{dx} confirmed on imaging].
            [Picture is that of {a_dx}].
            [This is {dx}], with highly typical {sign} {at}.
            The {sign} {at} is [concerning for {dx}], treatment given.
            The picture is [compatible with {a_dx} {at}].
            The study [confirms the {dx}].
            [{who} has {sign} {at} from {dx}].
            Clinical picture [suggestive of {dx}], will treat.
            [{dx} {at}] as seen on CT.
            [{dx} again seen {at}].
            {who} is here for treatment of [{dx}, which is now worse].
            [{study} {shows} {a_dx} {at}].
            {study} {shows} {sign} {at}, [{fits} {dx}].
            {sign} {at}, [{fits} {a_dx} {today}].
            [{dx} {at} {today}].
            [{who} has {a_dx} {at} {today}].
            [Patient with {dx} {at}].
            [{size} {dx} {at}].
            [{size} {dx}] {today}.
            [{size} {dx} is {noted} {at}].
            [{dx} is {noted} {at}].
            [{sign} and {dx} {at}].
            [Ongoing {dx} {at}].
            [Recurrent {dx} {at}].
            [Increased {dx} {today}].
            {who} is treated for [{dx} {at} {today}].
            [{study} {shows} {dx}], which is new.
            [{who} now has {sign} {at}, consistent with {a_dx}].
            pneumonia: [{sign} {at} with fever, on antibiotics].
            pneumonia: [Infectious {sign} {at}], antibiotics started.
            pneumonia: Productive cough with [new {sign} {at} and fever].
            pleural_effusion: [Fluid layers {at}] on the decubitus view.
            pleural_effusion: [Moderate layering fluid {at}].
            pleural_effusion: [Fluid in the pleural space {at}], tap planned.
        """,
        "validation": """
            The exam [confirms {dx} {at}].
            [Acute {dx} {at}].
            {sign} {at}, [diagnostic of {dx}].
            Findings today [represent {a_dx}].
            pneumonia: [Fever and {sign} {at}], antibiotics given.
            pleural_effusion: [Layering pleural fluid {at}].
        """,
        "held_out": """
            [{who} now has {dx} {at}].
            {sign} {at} is [highly suggestive of {dx}].
            Imaging is [consistent with {dx} {at}].
            [Film confirms {a_dx}].
            [New {dx} {at}].
            The {sign} is [most compatible with {a_dx}].
            Picture [concerning for {a_dx}], treatment started.
            pneumonia: [{sign} {at}, infectious], with fever and cough.
            pleural_effusion: [There is layering fluid {at}].
        """,
    },
    # (2) Unlikely
    "denied": {
        "train": """
            [No {dx}].
            [No evidence of {dx}].
            [No {sign} to suggest {dx}].
            Heart normal, [no {dx} seen].
            [No {sign} or {dx}].
            [There is no {dx}].
            [There is no {sign} to indicate {dx}].
            [No sign of {dx} on this film].
            [No radiographic evidence for {dx}].
            [No acute {dx}].
            [Negative for {dx}].
            Exam is [negative for {sign} or {dx}].
            [{who} does not have {a_dx}].
            The chest is [clear without {dx}].
            Normal chest [without {sign} or {dx}].
            [{dx} is not seen].
            [{dx} is not present] on either view.
            [{dx} is absent].
            [{dx} was ruled out].
            [{dx} has been excluded by CT].
            [Imaging excludes {a_dx}].
            [CT ruled out {a_dx}].
            [{dx} is unlikely].
            [{a_dx} is considered very unlikely] given the clear film.
            Findings [argue against {a_dx}].
            [Not consistent with {a_dx}].
            The chest is [free of {dx}].
            [Absence of {sign} makes {dx} unlikely].
            [{dx}: none].
            I see [nothing to suggest {dx}].
            [No {dx} identified].
            [{dx} not identified].
            [Nothing on this film indicates {a_dx}].
            [The film is normal, without {a_dx}].
            This normal film [argues against {dx}].
            [{who} is without {dx}].
            [The exam is negative and {dx} is ruled out].
            Today's CT [shows no sign of {a_dx}].
            [There is no evidence of {sign}, so {dx} is unlikely].
            [No {dx} is present].
            [{dx} has been ruled out], film is clear.
            [{who} has no sign of {dx}].
            [{dx} is not evident], nothing acute.
            [{study} {shows} no {sign} or {dx}].
            [No {size} {dx}].
            [No {dx} {today}].
            [No {dx} {at}].
            [{study} is without {sign} or {dx}].
            [{dx} is not {noted}].
            [{dx} not {noted} {today}].
            [No {sign} {at} to suggest {dx}].
            [No convincing {sign} for {dx}].
            [Nothing {at} to suggest {dx}].
            [{who} is free of {dx} {today}].
            [No {sign} {at} and no {dx}].
            [Absence of {dx} {today}].
            [{dx} is not likely {today}].
            [{dx} can be excluded {today}].
            [{study} {shows} nothing like {dx}].
            [{who} shows no {dx} {today}].
            [No {dx} is {noted} {at}].
            pneumonia: [Lungs are clear, no {sign}].
            pneumonia: [The lungs are clear bilaterally].
            pleural_effusion: [Costophrenic angles are sharp].
            pleural_effusion: [CP angles are clear and sharp].
        """,
        "validation": """
            [No new {sign}, no {dx}].
            [Film shows no {dx}].
            [Negative chest, {dx} excluded].
            Clear chest, [{dx} not seen].
            pneumonia: [Clear lungs without {sign}].
            pleural_effusion: [Both CP angles are sharp].
        """,
        "held_out": """
            [CT shows no {dx}].
            [Without evidence of {dx}].
            [{dx} is not identified on this exam].
            [No {sign}; {dx} is unlikely].
            Film is [negative, {dx} ruled out].
            [There is nothing to indicate {a_dx}].
            Clear film, which [argues against {dx}].
            [{who} has no {dx}].
            pneumonia: [Lungs clear], without {sign}.
            pleural_effusion: [Sharp costophrenic angles] bilaterally.
        """,
    },
    "resolved": {
        "train": """
            [{dx} has resolved].
            [Previously seen {dx} has cleared].
            [Interval resolution of {dx}].
            [The {dx} seen on {date} has cleared completely].
            [Complete clearing of the prior {dx}].
            [Prior {dx} is no longer seen].
            [{dx} from {date} is gone].
            The {dx} {at} [has completely resolved].
            [Resolved {dx}], now normal.
            [{dx} of {date} no longer present].
            [{dx} has disappeared] since {date}.
            [The earlier {dx} is now cleared].
            [Previous {dx} has cleared], film is normal.
            Good [interval clearing of the {dx} {at}].
            [The previous {dx} is gone].
            [The {dx} has now resolved completely].
            [Resolution of previously seen {dx}].
            [{dx} {at} has now cleared].
            [No residual {dx}].
            [The {dx} is gone {today}].
            [{dx} has resolved since {date}].
            [Clearing of {dx} since {date}].
            [Complete resolution of {dx} {at}].
            [{study} {shows} that the {dx} has cleared].
        """,
        "validation": """
            [Earlier {dx} has resolved].
            [The {dx} is no longer present].
        """,
        "held_out": """
            [The prior {dx} has resolved completely].
            [{dx} seen on {date} is gone].
            [Interval clearing of {dx}].
            [Previous {dx} is now resolved].
        """,
    },
    "other": {
        "train": """
            {sign} {at} [due to {other} rather than {dx}].
            {sign} {at} [reflects {other}, not {dx}].
            {sign} is [explained by {other} instead of {dx}].
            {sign} {at} [attributed to {other}, not to {dx}].
            The {sign} [represents {other} and not {dx}].
            [{other} is the cause, not {dx}].
            [{other} accounts for the {sign}, {dx} not favored].
            [{other} favored over {dx}].
            [{sign} is {other} rather than {dx}].
            The {sign} {at} [is caused by {other}, not {a_dx}].
            [Most likely {other} rather than {dx}].
            The {sign} {at} [is attributed to {other} and not {dx}].
            [{other} explains the {sign} instead of {dx}].
            [{sign} accounted for by {other} rather than {dx}].
            {sign} {at}, [explained by {other} rather than {dx}].
            [Not {dx} but {other}].
            [This represents {other} instead of {dx}].
            [{study} {shows} {other} rather than {dx}].
            [{sign} {at} is {other}, not {dx}].
            [{sign} from {other} and not {dx}].
            [{other}, not {dx}, is {noted} {at}].
            [{sign} {fits} {other} rather than {dx}].
            [{sign} {at} {fits} {other}, not {dx}].
            [{other} and not {dx} {today}].
        """,
        "validation": """
            {sign} [caused by {other} rather than {dx}].
            {sign} {at} [is due to {other}, not {dx}].
        """,
        "held_out": """
            {sign} {at} [represents {other} rather than {dx}].
            {sign} [attributed to {other} instead of {dx}].
            The {sign} [is explained by {other}, not {dx}].
            [{other} rather than {a_dx} accounts for the {sign}].
        """,
    },
    # (3) Unable to say: left open
    "open": {
        "train": """
            {sign} {at}, [cannot exclude {dx}].
            [{dx} cannot be excluded].
            [{dx} is not excluded] on this limited film.
            [Cannot rule out {dx}].
            [Unable to rule out {a_dx} {at}].
            [Possible {dx} {at}].
            {sign} {at}, [may represent {dx} or {other}].
            {sign} {at}, [{other} versus {dx}].
            {sign} {at}, [{dx} vs {other}].
            Differential [includes {dx} and {other}].
            [{sign} {at} could be {other} or {dx}].
            [Could represent {dx}, uncertain].
            [Equivocal for {dx}], repeat film advised.
            [Indeterminate {sign}, {dx} possible].
            [Uncertain whether this is {dx}].
            [Question of {dx} {at}], correlate clinically.
            [{dx} is suspected but not confirmed].
            [Either {dx} or {other}], follow-up needed.
            [It is unclear if there is {a_dx}].
            [Difficult to exclude {dx}] because of rotation.
            [Maybe {dx}], maybe {other}.
            Limited exam, [{dx} can not be assessed].
            [CT needed to confirm or exclude {dx}].
            [Cannot tell whether {a_dx} is present].
            [{who} may have {a_dx}], await CT.
            Equivocal {sign} {at}, [{dx} versus {other}].
            [Unable to tell if {they} has {dx}].
            [Unable to confirm or exclude {dx}].
            [Possibly {a_dx}], repeat the film.
            [Limited exam, unable to assess for {dx}].
            [{sign} {at}, possible {dx} not excluded].
            [Might be {dx}, might be {other}], not certain.
            [The exam is equivocal, {dx} versus {other}].
            [{study} cannot exclude {dx}].
            [{sign} {at} might reflect {dx}].
            [{dx} possible {at}].
            Possible {sign} {at}, [{dx} not certain].
            [Questionable {dx} {at}].
            [{dx} or {other} {at}], unclear.
            [{other} or {dx} possible].
            [{study} is equivocal for {dx}].
            [Cannot exclude {dx} {today}].
            [{dx} remains possible {today}].
            [Unsure about {dx} {today}].
            [{dx} cannot be excluded {at}].
            [{who} might have {dx}].
            [Uncertain {dx} {at}].
            [{size} {sign} {at}, {dx} possible].
        """,
        "validation": """
            [Possible {dx} versus {other}].
            [{dx} cannot be ruled out] on this film.
            [Indeterminate for {dx}], CT advised.
            [{sign} {at} may be {other} or {dx}].
        """,
        "held_out": """
            {sign} {at}, [{dx} not excluded].
            [{sign} {at} could represent {dx} versus {other}].
            [Unable to exclude {dx}] on this limited exam.
            [Equivocal {sign}, possible {dx}].
            [It is uncertain if {they} has {dx}].
            [Possibly {dx}, cannot confirm].
        """,
    },
    # These decide nothing: a note with nothing else does not address the condition.
    "past": {
        "train": """
            History of {dx} in {year}.
            H/o {dx}, treated {n} years ago.
            PMH: {disease}, {dx} in {year}.
            {who} had {a_dx} {n} years ago.
            Hospitalized for {dx} in {year}.
            Prior {dx} ({year}), {disease}.
            Past history includes {dx} and {disease}.
            Childhood history of {dx}.
            {who} was treated for {dx} in {year}.
            Old records mention {a_dx} in {year}.
            {who} was hospitalized for {dx} {n} years ago.
            PMH includes {disease}, {disease} and {dx} ({year}).
            {who} had {dx} in {year}.
            Remote {dx}, {year}.
            Recovered from {dx} in {year}.
            {dx} {n} years ago.
            PMH {dx} ({year}) and {disease}.
            Prior hospitalization for {dx}, {year}.
            {disease}, {dx} in {year}, {disease}.
            Last had {dx} {n} years ago.
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
            Indication: rule out {dx}.
            R/o {dx}.
            Reason for exam: {complaint}, evaluate for {dx}.
            Clinical question: {dx}?
            {complaint}, ?{dx}.
            Order: evaluate {dx}.
            Her {kin} had {dx} last month.
            His {kin} was treated for {dx}.
            Return if there are symptoms of {dx}.
            We discussed the risk of {dx}.
            Worried about {dx} after reading about it.
            Family history of {dx} in the {kin}.
            Handout about {dx} given.
            Symptoms of {dx} were discussed.
            {who} is worried because a {kin} has {dx}.
            Film to evaluate for {dx}.
            {who} asks about {dx}.
            The {kin} had {dx} in {year}.
            Advised to watch for {dx}.
            Exam for {complaint}, r/o {dx}.
            pneumonia: Pneumonia vaccine given in {year}.
            pneumonia: Pneumococcal vaccine is up to date.
            pneumonia: No pneumothorax.
            pneumonia: Incentive spirometer for pneumonia prevention.
            pleural_effusion: Small pericardial effusion on echo.
            pleural_effusion: No pericardial effusion.
            pleural_effusion: Knee effusion, drained in {year}.
            pleural_effusion: Right knee with moderate joint effusion.
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
            [No {p} or {e}].
            [No {e} or {p}].
            [No evidence of {p} or {e}].
            [There is no {e} and no {p}].
            [Negative for {p} and {e}].
            [No {p}, {e}, or pneumothorax].
            [Neither {p} nor {e} is seen].
            [{p} and {e} were ruled out].
            [Neither {e} nor {p}].
            [The film is without {e} or {p}].
            [Neither {p} nor {e} is present].
            [No sign of {p}, {e} or edema].
            [No {p} and no {e} {today}].
            [{study} {shows} no {p} or {e}].
        """,
        "validation": "[There is no {p} or {e}].",
        "held_out": """
            [No sign of {e} or {p}].
            [Without {p} or {e}].
            [There is neither {e} nor {p}].
        """,
    },
    ("present", "present"): {
        "train": """
            [{p} with {e}].
            [{e} and {p} are present].
            [There is {p} with associated {e}].
            [Findings consistent with {p} and {e}].
            [Suggestive of {p} with {e}].
            [{e} associated with {p}].
            [{study} {shows} {p} and {e}].
            [{p} and {e} {today}].
        """,
        "validation": "[{p} and {e} are seen].",
        "held_out": """
            [{p} with associated {e}].
            [Findings suggestive of {e} and {p}].
        """,
    },
    ("open", "open"): {
        "train": """
            [{p} or {e} cannot be excluded].
            [Cannot exclude {e} or {p}].
            [Possible {p} and possible {e}].
            [Unable to rule out {e} or {p}].
        """,
        "validation": "[{e} or {p} not excluded].",
        "held_out": "[Unable to exclude {p} or {e}].",
    },
    ("present", "denied"): {
        "train": """
            [{p} without {e}].
            [There is {p} but no {e}].
            [No {e}, but {p} is present].
            [Consistent with {p}, no {e} seen].
        """,
        "validation": "[{p} is seen without {e}].",
        "held_out": """
            [{p} is present but no {e}].
            [No {e}. Consistent with {p}].
        """,
    },
    ("denied", "present"): {
        "train": """
            [{e} without {p}].
            [There is {e} but no {p}].
            [No {p}, but {e} is present].
            [Consistent with {e}, no {p} seen].
        """,
        "validation": "[{e} is seen without {p}].",
        "held_out": """
            [{e} is present but no {p}].
            [No {p}. Consistent with {e}].
        """,
    },
}

# Sentences about anything else.
FILLER: dict[str, str] = {
    "train": """
        Heart size is normal.
        The heart is enlarged.
        Mild cardiomegaly.
        Cardiomediastinal silhouette is unremarkable.
        The mediastinum is within normal limits.
        No pneumothorax is seen.
        Bones are intact.
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

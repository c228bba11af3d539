"""What a run suffers from, and what to do about it: `diagnose(evidence)`; each symptom is one file in symptoms/."""

from vit_explore.diagnosis.findings import Evidence as Evidence
from vit_explore.diagnosis.findings import Finding as Finding
from vit_explore.diagnosis.findings import Inside as Inside
from vit_explore.diagnosis.findings import Look as Look
from vit_explore.diagnosis.findings import Repair as Repair
from vit_explore.diagnosis.findings import Severity as Severity
from vit_explore.diagnosis.findings import diagnose as diagnose
from vit_explore.diagnosis.findings import symptoms as symptoms

"""The sandbox's attack suite: hostile and honest programs as data, and the runner that scores a sandbox with them."""

from ponder.sandbox.audit.cases import Case, CaseError, load_cases
from ponder.sandbox.audit.host import Host
from ponder.sandbox.audit.result import AuditResult, CaseVerdict
from ponder.sandbox.audit.run import run_audit

__all__ = ["AuditResult", "Case", "CaseError", "CaseVerdict", "Host", "load_cases", "run_audit"]

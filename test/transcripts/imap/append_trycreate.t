# RFC 9051 section 6.3.12: a mailbox that could be made is TRYCREATE, whose name cannot be is not.
login A
C: a APPEND New {3+}
C: One
S: a NO [TRYCREATE] {{.*}}
C: b APPEND "a//b" {3+}
C: One
S: b NO {{(?!\[TRYCREATE\]).*}}

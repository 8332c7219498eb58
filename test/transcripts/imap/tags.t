# RFC 9051 section 2.2.1: a tag comes back as it was; what is none gets an untagged BAD.
login A
C: A.1-z NOOP
S: A.1-z OK {{.*}}
C: * NOOP
S: {{\* BAD .*}}
C: + NOOP
S: {{\* BAD .*}}
C: (a NOOP
S: {{\* BAD .*}}
C: b
S: b BAD {{.*}}
C: c NOSUCH
S: c BAD {{.*}}
C: d NOOP x
S: d BAD {{.*}}
C: e  NOOP
S: e BAD {{.*}}
C: f noop
S: f OK {{.*}}

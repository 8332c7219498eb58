# RFC 9051 section 6.3.9: what it is not.
login A
C: a LIST
S: a BAD {{.*}}
C: b LIST ""
S: b BAD {{.*}}
C: c LIST "" * extra
S: c BAD {{.*}}
C: d LIST (NOSUCH) "" *
S: d BAD {{.*}}
C: e LIST "" (x
S: e BAD {{.*}}
C: f NOOP
S: f OK {{.*}}

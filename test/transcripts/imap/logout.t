# RFC 9051 section 6.1.3: BYE before OK, then the end.
connect A
S: * OK {{.*}}
C: a LOGOUT
S: * BYE {{.*}}
S: a OK {{.*}}
S$
login B
C: b LOGOUT
S: * BYE {{.*}}
S: b OK {{.*}}
S$

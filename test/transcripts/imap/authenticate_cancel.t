# RFC 9051 section 6.2.2: "*" ends the exchange with BAD, and the client may go on.
connect A
S: * OK {{.*}}
C: a AUTHENTICATE PLAIN
S: +{{ ?}}
C: *
S: a BAD {{.*}}
C: b AUTHENTICATE PLAIN
S: +{{ ?}}
C: not base64!
S: b BAD {{.*}}
C: c AUTHENTICATE NOSUCH
S: c NO {{.*}}
C: d LOGIN ${user} ${password}
S: d OK {{.*}}

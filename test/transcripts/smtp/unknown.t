# RFC 5321 section 4.2.4: 500 for a word that is no command, 502 for one that is not offered.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: NOSUCH
S: 500 5.5.1 {{.*}}
C: ETRN example.test
S: 502 5.5.1 {{.*}}
C: EXPN list
S: 502 5.5.1 {{.*}}
C: AUTH PLAIN
S: 502 5.5.1 {{.*}}
C:
S: 500 5.5.{{[0-9]}} {{.*}}
C: VRFY someone
S: 252 2.{{.*}}
C: NOOP anything
S: 250 {{.*}}

connect A
S: 220 mail.example.test ESMTP postkasse
C: EHLO client.test
S~ 250 LIMITS RCPTMAX={{\d+}}

C: NOOP with words
S: 250 2.0.0 OK
C: VRFY ${user}
S: 252 2.0.0 {{.*}}
C: VRFY
S: 501 5.5.4 {{.*}}
C: HELP
S: 214 2.0.0 {{.*}}BDAT DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY
C: EXPN staff
S: 502 5.5.1 {{.*}}
C: AUTH PLAIN AGEAYg==
S: 502 5.5.1 {{.*}}
C: XYZZY
S: 500 5.5.1 {{.*}}
C:
S: 500 5.5.1 {{.*}}
C: RSET now
S: 501 5.5.4 {{.*}}
C: QUIT now
S: 501 5.5.4 {{.*}}
C: QUIT
S: 221 2.0.0 Bye
S$

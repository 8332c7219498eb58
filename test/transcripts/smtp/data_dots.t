# RFC 5321 section 4.5.2: a dot at the beginning of a line is doubled by who sends and taken away.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 {{.*}}
C: DATA
S: 354 {{.*}}
C: Subject: dots
C:
C: ..one
C: ...two
C: .
S: 250 2.0.0 {{.*}}
C: QUIT
S: 221 {{.*}}
S$

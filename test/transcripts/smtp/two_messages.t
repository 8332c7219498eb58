# RFC 5321 section 3.3: one connection, several messages.
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
C: Subject: one of two
C: .
S: 250 2.0.0 {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 {{.*}}
C: DATA
S: 354 {{.*}}
C: Subject: one of two
C: .
S: 250 2.0.0 {{.*}}

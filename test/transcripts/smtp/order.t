# RFC 5321 4.1.4: commands out of order, and what starts over.
connect A
S: 220 {{.*}}
C: MAIL FROM:<a@client.test>
S: 503 5.5.1 Say EHLO first
C: DATA
S: 503 5.5.1 Say EHLO first
C: NOOP
S: 250 2.0.0 OK
C: ehlo client.test
S~ 250 LIMITS {{.*}}
C: RCPT TO:<${user}>
S: 503 5.5.1 Say MAIL first
C: DATA
S: 503 5.5.1 Say MAIL first
C: mail from:<a@client.test>
S: 250 2.1.0 Sender OK
C: MAIL FROM:<a@client.test>
S: 503 5.5.1 {{.*}}
C: DATA
S: 503 5.5.1 Say RCPT first
C: rcpt to:<${user}>
S: 250 2.1.5 Recipient OK
C: RSET
S: 250 2.0.0 OK
C: RCPT TO:<${user}>
S: 503 5.5.1 Say MAIL first
C: MAIL FROM:<a@client.test>
S: 250 2.1.0 Sender OK
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: RCPT TO:<${user}>
S: 503 5.5.1 Say MAIL first

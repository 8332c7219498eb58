# RFC 5321 section 4.1.2: a mailbox whatever the case of its letters, with a tag, in quotes.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 2.1.5 {{.*}}
C: RCPT TO:<UNKNOWN@example.test>
S: 550 5.1.1 {{.*}}

# RFC 5321 section 4.1.2: what is no recipient; the transaction goes on.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<>
S: {{(501|553) 5\..*}}
C: RCPT TO:
S: {{(501|553) 5\..*}}
C: RCPT TO:<a>
S: {{(501|550|553) 5\..*}}
C: RCPT TO:<a@>
S: {{(501|553) 5\..*}}
C: RCPT TO:<${user}> NOSUCH=1
S: 555 5.5.4 {{.*}}
C: RCPT TO:<${user}>
S: 250 2.1.5 {{.*}}

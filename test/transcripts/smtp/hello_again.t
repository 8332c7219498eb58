# RFC 5321 section 4.1.4: EHLO in a transaction forgets it.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: RCPT TO:<${user}>
S: 503 5.5.1 {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: MAIL FROM:<b@client.test>
S: 503 5.5.1 {{.*}}

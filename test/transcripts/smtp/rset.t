# RFC 5321 section 4.1.1.5: RSET forgets the transaction, and nothing else.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 {{.*}}
C: RSET
S: 250 2.0.0 {{.*}}
C: RCPT TO:<${user}>
S: 503 5.5.1 {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RSET now
S: 501 5.5.4 {{.*}}

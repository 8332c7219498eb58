# RFC 5321 section 3.6.2: mail for elsewhere is not relayed.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<a@elsewhere.test>
S: 550 5.7.1 {{.*}}
C: RCPT TO:<a@[192.0.2.1]>
S: {{55[0-9] 5\..*}}
C: RCPT TO:<a%elsewhere.test@example.test>
S: 550 5.1.1 {{.*}}
C: RCPT TO:<@example.test:a@elsewhere.test>
S: 550 5.7.1 {{.*}}

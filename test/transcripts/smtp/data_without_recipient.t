# RFC 5321 section 4.1.4: DATA in the wrong place.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: DATA
S: 503 5.5.1 {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: DATA
S: 503 5.5.1 {{.*}}
C: RCPT TO:<nobody@elsewhere.test>
S: 550 {{.*}}
C: DATA
S: {{55[0-9] 5\..*}}
C: DATA now
S: 501 5.5.4 {{.*}}

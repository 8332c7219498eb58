# RFC 6152 section 2: BODY is 7BIT or 8BITMIME; BINARYMIME is not offered.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test> BODY=7BIT
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@client.test> BODY=8BITMIME
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@client.test> body=8bitmime
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@client.test> BODY=BINARYMIME
S: {{(501|555) 5\..*}}
C: MAIL FROM:<a@client.test> BODY
S: {{(501|555) 5\..*}}

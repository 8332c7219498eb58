# RFC 1870 section 6: a parameter stands once.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test> SIZE=1 SIZE=2
S: {{(501|555) 5\..*}}
C: MAIL FROM:<a@client.test> BODY=7BIT BODY=8BITMIME
S: {{(501|555) 5\..*}}

# RFC 5321 section 4.1.1.11: a parameter that nobody knows is 555.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test> NOSUCH=1
S: 555 5.5.4 {{.*}}
C: MAIL FROM:<a@client.test> =x
S: {{(501|555) 5\..*}}
C: MAIL FROM:<a@client.test> AUTH=<>
S: {{(250|555) .*}}

# RFC 5321 section 4.5.1: <postmaster> without a domain is understood, in any case of letters.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<postmaster>
S: {{(250 2|550 5)\..*}}
C: RCPT TO:<PostMaster>
S: {{(250 2|550 5)\..*}}

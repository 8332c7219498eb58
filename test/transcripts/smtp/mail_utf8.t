# RFC 6531 section 3.4: UTF-8 in a path needs SMTPUTF8.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<ä@client.test>
S: {{(501|550|553) 5\.[0-9]\.[0-9] .*}}
C: MAIL FROM:<ä@client.test> SMTPUTF8
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@bücher.test> SMTPUTF8
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@client.test> SMTPUTF8=1
S: {{(501|555) 5\..*}}

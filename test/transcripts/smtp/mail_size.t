# RFC 1870 section 6: SIZE is looked at, and is a number.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test> SIZE=1000
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@client.test> SIZE=99999999999
S: 552 5.3.4 {{.*}}
C: MAIL FROM:<a@client.test> SIZE=x
S: 501 5.5.4 {{.*}}
C: MAIL FROM:<a@client.test> SIZE=
S: 501 5.5.4 {{.*}}
C: MAIL FROM:<a@client.test> size=5
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}

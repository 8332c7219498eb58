# RFC 5321 section 4.1.2: a blank behind the colon is forgiven.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM: <a@client.test>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}

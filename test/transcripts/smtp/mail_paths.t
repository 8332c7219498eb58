# RFC 5321 section 4.1.2: local parts and domains of every form.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@b>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<first.last@sub.client.test>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<"quoted part"@client.test>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a+b=c/d@client.test>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@[192.0.2.1]>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<a@[IPv6:2001:db8::1]>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<@relay.test:a@client.test>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<@r1.test,@r2.test:a@client.test>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}

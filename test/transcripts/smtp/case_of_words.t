# RFC 5321 section 2.4: command words whatever the case.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: mail from:<a@client.test>
S: 250 {{.*}}
C: rCpT tO:<${user}>
S: 250 {{.*}}
C: rset
S: 250 {{.*}}
C: quit
S: 221 {{.*}}

# RFC 5321 section 4.1.2: the null reverse-path of notifications.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<>
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}
C: MAIL FROM:<> SIZE=100
S: 250 2.1.0 {{.*}}
C: RSET
S: 250 {{.*}}

# RFC 5321 section 4.1.1.1: what a client may call itself.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: HELO client.test
S: 250 {{[^ ]+}}
C: EHLO [192.0.2.1]
S~ 250 LIMITS {{.*}}
C: EHLO localhost
S~ 250 LIMITS {{.*}}
C: HELO
S: 501 5.5.4 {{.*}}
C: EHLO bad name
S: 501 5.5.4 {{.*}}
C: EHLO under_score.test
S: {{250-.*|501 .*}}

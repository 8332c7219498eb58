# RFC 3501 section 5.1.3: names in modified UTF-7, as they are shown again.
login A
C: a CREATE R&APg-dgr&APg-d
S: a OK {{.*}}
C: b LIST "" R*
S: * LIST ({{.*}}) "/" R&APg-dgr&APg-d
S: b OK {{.*}}
C: c CREATE "A &- B"
S: c OK {{.*}}
C: d LIST "" A*
S~ * LIST ({{.*}}) "/" "A &- B"
S~ d OK {{.*}}

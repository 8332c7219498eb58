# RFC 9051 section 6.3.6: what stands below comes along, messages too.
login A
C: a CREATE old/sub
S: a OK {{.*}}
C: b APPEND old/sub {3+}
C: One
S: b OK {{.*}}
C: c RENAME old new
S: c OK {{.*}}
C: d LIST "" old*
S: d OK {{.*}}
C: e STATUS new/sub (MESSAGES)
S: * STATUS new/sub (MESSAGES 1)
S: e OK {{.*}}
C: f RENAME new/sub other/deep
S: f OK {{.*}}
C: g STATUS other/deep (MESSAGES)
S: * STATUS other/deep (MESSAGES 1)
S: g OK {{.*}}

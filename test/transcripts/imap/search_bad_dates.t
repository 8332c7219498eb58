# RFC 9051 section 6.4.4: a date that is none is BAD.
include three_messages
C: s0 SEARCH BEFORE 32-Jan-2020
S: s0 BAD {{.*}}
C: s1 SEARCH BEFORE 1-Foo-2020
S: s1 BAD {{.*}}
C: s2 SEARCH BEFORE 2020-01-01
S: s2 BAD {{.*}}
C: s3 SEARCH BEFORE
S: s3 BAD {{.*}}
C: s4 SEARCH ON 30-Feb-2020
S: s4 BAD {{.*}}

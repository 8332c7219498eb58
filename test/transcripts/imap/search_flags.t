# RFC 9051 section 6.4.4: a system flag and its contrary split the mailbox.
message M1
Date: Wed, 01 Jan 2020 10:00:00 +0000
From: Anna <anna@example.org>
To: bob@example.test
Subject: First apples

Apples are red.
end
message M2
Date: Fri, 03 Jan 2020 10:00:00 +0000
From: Carl <carl@example.net>
To: bob@example.test
Cc: dora@example.org
Subject: Second pears
X-Color: yellow

Pears are yellow.
end
message M3
Date: Sun, 05 Jan 2020 10:00:00 +0000
From: Anna <anna@example.org>
To: erik@example.test
Bcc: fred@example.org
Subject: Third apples and pears

Both are fruit, and this one is longer than the others by far.
end
login A
C: m1 APPEND INBOX (\Seen) "02-Jan-2020 12:00:00 +0000" {${length_M1}+}
C- ${M1}\r\n
S: m1 OK {{.*}}
C: m2 APPEND INBOX (\Flagged $work) "04-Jan-2020 12:00:00 +0000" {${length_M2}+}
C- ${M2}\r\n
S: m2 OK {{.*}}
C: m3 APPEND INBOX (\Answered \Draft \Deleted) "06-Jan-2020 12:00:00 +0000" {${length_M3}+}
C- ${M3}\r\n
S: m3 OK {{.*}}
C: sel SELECT INBOX
S~ sel OK {{.*}}
C: s0 SEARCH ANSWERED
S: * SEARCH 3
S: s0 OK {{.*}}
C: s1 SEARCH UNANSWERED
S: * SEARCH 1 2
S: s1 OK {{.*}}
C: s2 SEARCH DELETED
S: * SEARCH 3
S: s2 OK {{.*}}
C: s3 SEARCH UNDELETED
S: * SEARCH 1 2
S: s3 OK {{.*}}
C: s4 SEARCH DRAFT
S: * SEARCH 3
S: s4 OK {{.*}}
C: s5 SEARCH UNDRAFT
S: * SEARCH 1 2
S: s5 OK {{.*}}
C: s6 SEARCH FLAGGED
S: * SEARCH 2
S: s6 OK {{.*}}
C: s7 SEARCH UNFLAGGED
S: * SEARCH 1 3
S: s7 OK {{.*}}
C: s8 SEARCH SEEN
S: * SEARCH 1
S: s8 OK {{.*}}
C: s9 SEARCH UNSEEN
S: * SEARCH 2 3
S: s9 OK {{.*}}

# RFC 9051 section 6.4.6: FLAGS replaces all but \Recent, and tells the result.
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
C: a STORE 1 FLAGS (\Deleted)
S: * 1 FETCH (UID 1 FLAGS (\Deleted \Recent))
S: a OK {{.*}}
C: b STORE 1 FLAGS ()
S: * 1 FETCH (UID 1 FLAGS (\Recent))
S: b OK {{.*}}
C: c FETCH 1 FLAGS
S: * 1 FETCH (FLAGS (\Recent))
S: c OK {{.*}}

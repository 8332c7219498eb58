message ONE
From: Alice <alice@example.org>
To: bob@example.test
Cc: carol@example.com
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_Kiel?=
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <one@example.org>
X-Kind: Letter

The quick brown fox.
end
message TWO
From: Dave <dave@example.net>
To: bob@example.test
Subject: Second
Date: Sun, 1 Mar 2026 10:00:00 +0000
Message-ID: <two@example.net>

The lazy dog.
end
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX (\Seen) "01-Nov-2026 10:00:00 +0000" {${length_ONE}+}
C- ${ONE}\r\n
S~ b OK [APPENDUID {{.*}} 1] Appended
C: c APPEND INBOX (\Flagged $Work) "15-Nov-2026 10:00:00 +0000" {${length_TWO}+}
C- ${TWO}\r\n
S~ c OK [APPENDUID {{.*}} 2] Appended
C: s SEARCH ALL
S: * SEARCH 1 2
S: s OK Searched
C: s SEARCH FROM alice
S: * SEARCH 1
S: s OK Searched
C: s SEARCH CC EXAMPLE.COM
S: * SEARCH 1
S: s OK Searched
C: s SEARCH CHARSET UTF-8 SUBJECT {7+}
C: GRÜSSE
S: * SEARCH 1
S: s OK Searched
C: s SEARCH BODY "lazy DOG"
S: * SEARCH 2
S: s OK Searched
C: s SEARCH TEXT example
S: * SEARCH 1 2
S: s OK Searched
C: s SEARCH HEADER X-Kind ""
S: * SEARCH 1
S: s OK Searched
C: s SEARCH HEADER x-kind etter
S: * SEARCH 1
S: s OK Searched
C: s SEARCH SEEN
S: * SEARCH 1
S: s OK Searched
C: s SEARCH OR SEEN (FLAGGED KEYWORD $Work)
S: * SEARCH 1 2
S: s OK Searched
C: s SEARCH NOT SEEN UNKEYWORD $Work
S: * SEARCH
S: s OK Searched
C: s SEARCH SINCE 2-Nov-2026 BEFORE 16-Nov-2026
S: * SEARCH 2
S: s OK Searched
C: s SEARCH ON 1-Nov-2026
S: * SEARCH 1
S: s OK Searched
C: s SEARCH SENTBEFORE 1-Oct-2026
S: * SEARCH 2
S: s OK Searched
C: s SEARCH SENTON 23-Nov-2026
S: * SEARCH 1
S: s OK Searched
C: s SEARCH LARGER 1 SMALLER 100000
S: * SEARCH 1 2
S: s OK Searched
C: s SEARCH LARGER 100000
S: * SEARCH
S: s OK Searched
C: s SEARCH 2:*
S: * SEARCH 2
S: s OK Searched
C: s UID SEARCH UID 1 1:2
S: * SEARCH 1
S: s OK Searched
C: s SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED
S: * SEARCH 1
S: s OK Searched
C: s SEARCH RETURN (MIN MAX COUNT ALL) ALL
S: * ESEARCH (TAG "s") MIN 1 MAX 2 COUNT 2 ALL 1:2
S: s OK Searched
C: s UID SEARCH RETURN (COUNT) SUBJECT nothing
S: * ESEARCH (TAG "s") UID COUNT 0
S: s OK Searched
C: s SEARCH YOUNGER 60
S: * SEARCH{{.*}}
S: s OK Searched
C: s SEARCH NEW
S: * SEARCH{{.*}}
S: s OK Searched
C: s SEARCH
S: s BAD {{.*}}
C: s SEARCH NOT
S: s BAD {{.*}}

message M
From: A <a@example.org>
To: b@example.test
Subject: A test
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <1@example.org>

Hello.
end
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX (\Seen $Work) "23-Nov-2026 10:00:00 +0100" {${length_M}}
S: + OK
C- ${M}\r\n
S~ b OK [APPENDUID {{validity=[0-9]+}} 1] Appended
C: c FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)
S: * 1 FETCH (UID 1 FLAGS (\Seen{{( .Recent)?}} $Work) INTERNALDATE "23-Nov-2026 09:00:00 +0000" RFC822.SIZE ${length_M} ENVELOPE ("Mon, 23 Nov 2026 10:00:00 +0000" "A test" (("A" NIL "a" "example.org")) (("A" NIL "a" "example.org")) (("A" NIL "a" "example.org")) ((NIL NIL "b" "example.test")) NIL NIL NIL "<1@example.org>") BODY ({{.*}}))
S: c OK Fetched
C: d FETCH 1 BODY.PEEK[]
S: * 1 FETCH (BODY[] {${length_M}}
S: From: A <a@example.org>
S: To: b@example.test
S: Subject: A test
S: Date: Mon, 23 Nov 2026 10:00:00 +0000
S: Message-ID: <1@example.org>
S: 
S: Hello.
S: )
S: d OK Fetched
C: e FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject to)] BODY.PEEK[TEXT]<0.5> BODY.PEEK[7])
S: * 1 FETCH (BODY[HEADER.FIELDS (subject to)] {39}
S: To: b@example.test
S: Subject: A test
S: 
S:  BODY[TEXT]<0> {5}
S: Hello BODY[7] NIL)
S: e OK Fetched
C: f SEARCH SUBJECT test
S: * SEARCH 1
S: f OK Searched
C: g STORE 1 +FLAGS (\Deleted)
S: * 1 FETCH (UID 1 FLAGS ({{.*}}\Deleted{{.*}}))
S: g OK Stored
C: h EXPUNGE
S: * 1 EXPUNGE
S: * 0 RECENT
S: h OK Expunged
C: i LIST "" *
S~ * LIST ({{.*}}) "/" INBOX
S~ i OK Listed

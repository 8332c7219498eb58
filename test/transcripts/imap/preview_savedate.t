message M
From: a@example.org
Subject: Preview

This is   what one sees.
end
# Told after login, in the answer to it and to CAPABILITY, and not before.
connect A
S: * OK [CAPABILITY {{(?!.*PREVIEW)(?!.*SAVEDATE).*}}] postkasse ready
C: x LOGIN ${user} ${password}
S: x OK [CAPABILITY {{.*}} PREVIEW SAVEDATE {{.*}}] Logged in
C: y CAPABILITY
S: * CAPABILITY {{.*}} PREVIEW SAVEDATE {{.*}}
S: y OK {{.*}}
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX "01-Jan-2020 00:00:00 +0000" {${length_M}+}
C- ${M}\r\n
S~ b OK {{.*}} Appended
C: c FETCH 1 (PREVIEW (LAZY) INTERNALDATE)
S: * 1 FETCH (INTERNALDATE "01-Jan-2020 00:00:00 +0000" PREVIEW "This is what one sees.")
S: c OK Fetched
C: d FETCH 1 (PREVIEW SAVEDATE)
S: * 1 FETCH (SAVEDATE "{{[0-9]}}{{[0-9]}}-{{[A-Z][a-z][a-z]-20[0-9][0-9] .*}}" PREVIEW "This is what one sees.")
S: d OK Fetched
C: e SEARCH SAVEDBEFORE 1-Jan-2021
S: * SEARCH
S: e OK Searched
C: f SEARCH SAVEDSINCE 1-Jan-2021 BEFORE 1-Jan-2021
S: * SEARCH 1
S: f OK Searched

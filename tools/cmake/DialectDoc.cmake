# Joins the hand-written introduction and TableGen's reference of the dialect.
file(READ ${INTRO} intro)
file(READ ${REFERENCE} reference)
# TableGen's note, title and description of the dialect repeat the introduction.
string(FIND "${reference}" "\n## " start)
string(SUBSTRING "${reference}" ${start} -1 reference)
string(REPLACE "\n## " "\n### " reference "${reference}")
file(WRITE ${OUT} "${intro}${reference}")

#include "store/schema.h"

#include "base/mem.h"

/* clang-format off */
static const char *const mailbox_migrations[] = {
	/* 1 */
	"CREATE TABLE meta ("
	"  id INTEGER PRIMARY KEY CHECK (id = 1),"
	"  mailbox TEXT NOT NULL,"
	"  created TEXT NOT NULL,"
	"  uid_validity INTEGER NOT NULL,"
	"  id_next INTEGER NOT NULL"
	");"
	"CREATE TABLE keypair ("
	"  id INTEGER PRIMARY KEY,"
	"  public BLOB NOT NULL UNIQUE,"
	"  private BLOB NOT NULL,"
	"  created TEXT NOT NULL"
	");"
	"CREATE TABLE dictionary ("
	"  id INTEGER PRIMARY KEY,"
	"  data BLOB NOT NULL"
	");"
	"CREATE TABLE folder ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  special_use TEXT NOT NULL DEFAULT '',"
	"  uid_validity INTEGER NOT NULL,"
	"  uid_next INTEGER NOT NULL DEFAULT 1,"
	"  recent_from INTEGER NOT NULL DEFAULT 1,"
	"  modseq INTEGER NOT NULL DEFAULT 1,"
	"  expunged_since INTEGER NOT NULL DEFAULT 1,"
	"  messages INTEGER NOT NULL DEFAULT 0,"
	"  unseen INTEGER NOT NULL DEFAULT 0,"
	"  deleted INTEGER NOT NULL DEFAULT 0,"
	"  size INTEGER NOT NULL DEFAULT 0,"
	"  created TEXT NOT NULL"
	");"
	"CREATE TABLE subscription ("
	"  name TEXT PRIMARY KEY,"
	"  created TEXT NOT NULL"
	") WITHOUT ROWID;"
	"CREATE TABLE message ("
	"  id INTEGER PRIMARY KEY,"
	"  digest BLOB NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  header_size INTEGER NOT NULL,"
	"  attachments INTEGER NOT NULL,"
	"  thread INTEGER NOT NULL,"
	"  sent_date TEXT,"
	"  sent_zone INTEGER,"
	"  subject TEXT NOT NULL,"
	"  base_subject TEXT NOT NULL,"
	"  message_id TEXT NOT NULL,"
	"  in_reply_to TEXT NOT NULL,"
	"  \"from\" TEXT NOT NULL,"
	"  \"to\" TEXT NOT NULL,"
	"  cc TEXT NOT NULL,"
	"  bcc TEXT NOT NULL,"
	"  sort_from TEXT NOT NULL,"
	"  sort_to TEXT NOT NULL,"
	"  sort_cc TEXT NOT NULL,"
	"  preview TEXT NOT NULL,"
	"  damaged INTEGER NOT NULL,"
	"  envelope BLOB NOT NULL,"
	"  body_structure BLOB NOT NULL,"
	"  parts BLOB NOT NULL"
	");"
	"CREATE TABLE content ("
	"  id INTEGER PRIMARY KEY,"
	"  packed INTEGER NOT NULL,"
	"  data BLOB NOT NULL"
	");"
	"CREATE TABLE search_text ("
	"  message INTEGER PRIMARY KEY REFERENCES message,"
	"  header BLOB NOT NULL,"
	"  body BLOB NOT NULL"
	");"
	"CREATE TABLE attachment ("
	"  id INTEGER PRIMARY KEY,"
	"  digest BLOB NOT NULL UNIQUE,"
	"  size INTEGER NOT NULL"
	");"
	"CREATE TABLE attachment_content ("
	"  id INTEGER PRIMARY KEY,"
	"  packed INTEGER NOT NULL,"
	"  data BLOB NOT NULL"
	");"
	"CREATE TABLE cut ("
	"  message INTEGER NOT NULL REFERENCES message,"
	"  offset INTEGER NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  attachment INTEGER NOT NULL REFERENCES attachment,"
	"  line_size INTEGER NOT NULL,"
	"  line_end INTEGER NOT NULL,"
	"  PRIMARY KEY (message, offset)"
	") WITHOUT ROWID;"
	"CREATE INDEX cut_attachment ON cut (attachment);"
	"CREATE TABLE entry ("
	"  folder INTEGER NOT NULL REFERENCES folder,"
	"  uid INTEGER NOT NULL,"
	"  message INTEGER NOT NULL REFERENCES message,"
	"  flags INTEGER NOT NULL,"
	"  modseq INTEGER NOT NULL,"
	"  size INTEGER NOT NULL,"
	"  internal_date TEXT NOT NULL,"
	"  save_date TEXT NOT NULL,"
	"  keywords TEXT NOT NULL,"
	"  PRIMARY KEY (folder, uid)"
	") WITHOUT ROWID;"
	"CREATE INDEX entry_modseq ON entry (folder, modseq);"
	"CREATE INDEX entry_message ON entry (message);"
	"CREATE TABLE keyword ("
	"  id INTEGER PRIMARY KEY,"
	"  name TEXT NOT NULL COLLATE NOCASE UNIQUE"
	");"
	"CREATE TABLE expunged ("
	"  folder INTEGER NOT NULL,"
	"  modseq INTEGER NOT NULL,"
	"  uid_first INTEGER NOT NULL,"
	"  uid_last INTEGER NOT NULL,"
	"  PRIMARY KEY (folder, modseq, uid_first)"
	") WITHOUT ROWID;"
	"CREATE TABLE garbage ("
	"  message INTEGER PRIMARY KEY"
	");"
	"CREATE TABLE thread ("
	"  reference INTEGER PRIMARY KEY,"
	"  thread INTEGER NOT NULL"
	");"
	"CREATE TABLE delivery ("
	"  id BLOB PRIMARY KEY,"
	"  uid_validity INTEGER NOT NULL,"
	"  uid INTEGER NOT NULL,"
	"  created TEXT NOT NULL"
	") WITHOUT ROWID;",
	/* 2: ENVELOPE and BODYSTRUCTURE as structures; rows from before keep their text */
	"ALTER TABLE message RENAME COLUMN envelope TO rendered_envelope;"
	"ALTER TABLE message RENAME COLUMN body_structure TO rendered_body_structure;"
	"ALTER TABLE message ADD COLUMN envelope BLOB NOT NULL DEFAULT x'';"
	"ALTER TABLE message ADD COLUMN body_structure BLOB NOT NULL DEFAULT x'';",
	/* 3: answers to COPY and MOVE, for who asks again */
	"CREATE TABLE copied ("
	"  number INTEGER PRIMARY KEY,"
	"  id BLOB NOT NULL UNIQUE,"
	"  reply BLOB NOT NULL"
	");",
	/* 4: how far it has come, and how often that was less than before: see mark.h */
	"ALTER TABLE meta ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE meta ADD COLUMN modseq_gone INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE meta ADD COLUMN uids_gone INTEGER NOT NULL DEFAULT 0;",
	/* 5: how much of which temporary mailbox is accounted for: see waits.h */
	"CREATE TABLE taken ("
	"  number INTEGER PRIMARY KEY,"
	"  file INTEGER NOT NULL UNIQUE,"
	"  rows INTEGER NOT NULL,"
	"  lost INTEGER NOT NULL"
	");",
};

static const char *const temporary_migrations[] = {
	/* 1 */
	"CREATE TABLE sealed ("
	"  id INTEGER PRIMARY KEY,"
	"  delivery BLOB NOT NULL UNIQUE,"
	"  size INTEGER NOT NULL,"
	"  created TEXT NOT NULL,"
	"  failed INTEGER NOT NULL DEFAULT 0,"
	"  data BLOB NOT NULL"
	");",
	/* 2: the number of the file, 0 in rows from before: see waits.h */
	"ALTER TABLE sealed RENAME COLUMN failed TO file;",
};
/* clang-format on */

int schema_mailbox_migrate(struct db *db, struct errinfo *info)
{
	return db_migrate(db, mailbox_migrations, ARRAY_LEN(mailbox_migrations), info);
}

int schema_mailbox_check(struct db *db, struct errinfo *info)
{
	return db_schema_check(db, mailbox_migrations, ARRAY_LEN(mailbox_migrations), info);
}

int schema_temporary_migrate(struct db *db, struct errinfo *info)
{
	return db_migrate(db, temporary_migrations, ARRAY_LEN(temporary_migrations), info);
}

int schema_mailbox_version(void)
{
	return ARRAY_LEN(mailbox_migrations);
}

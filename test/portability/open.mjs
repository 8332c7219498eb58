// Opens a mailbox file the way a stranger would: with the npm package better-sqlite3-multiple-ciphers,
// the cipher's name and the password. The package brings its compiled part for this platform.
import Database from 'better-sqlite3-multiple-ciphers';

// Throws an Error with code SQLITE_NOTADB when the password is not the file's.
export function openMailbox(path, password, options = {}) {
	const db = new Database(path, { fileMustExist: true, ...options });
	try {
		db.pragma(`cipher='chacha20'`);
		db.pragma(`key='${password.replaceAll(`'`, `''`)}'`);
		db.prepare('SELECT count(*) FROM sqlite_schema').get();
	} catch (error) {
		db.close();
		throw error;
	}
	return db;
}

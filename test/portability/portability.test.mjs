// A file that postkasse wrote is opened, read and written by somebody else's program.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { openMailbox } from './open.mjs';

const maker = join(process.env.TEST_BUILD ?? 'build', 'test/portability/portability-make');
const password = `7xk2mq-0v9tz-hh3c4-p8wyd-'q1re`; // a quotation mark in it, too
const next = 'abcdef-ghjkm-npqrs-tvwxy-z0123';

function make(...args) {
	return execFileSync(maker, args, { encoding: 'utf8' });
}

function inFolder(name, body) {
	test(name, (t) => {
		const folder = mkdtempSync(join(tmpdir(), 'postkasse-portability-'));
		t.after(() => rmSync(folder, { recursive: true }));
		body(join(folder, 'mailbox.sqlite'), join(folder, 'copy.sqlite'));
	});
}

function check(db) {
	assert.equal(db.pragma('user_version', { simple: true }), 42);
	assert.equal(db.pragma('journal_mode', { simple: true }), 'wal');
	assert.equal(db.pragma('integrity_check', { simple: true }), 'ok');
	db.defaultSafeIntegers(true);
	assert.deepEqual(db.prepare('SELECT * FROM value').all(), [{
		name: 'first', number: 9223372036854775807n, real: 0.1, bytes: Buffer.from([0, 1, 255]),
		text: 'blåbærgrød 📬',
	}]);
	assert.equal(db.prepare('SELECT sum(length(bytes)) n FROM large').get().n, 10050000n);
	assert.equal(db.prepare(`SELECT count(*) n FROM found WHERE found MATCH 'eedl'`).get().n, 1n);
}

inFolder('the password opens the file and every value is there', (file) => {
	make('create', file, password);
	const db = openMailbox(file, password);
	check(db);
	db.close();
});

inFolder('nothing in the file can be read without it', (file) => {
	make('create', file, password);
	const bytes = readFileSync(file);
	for (const text of ['SQLite format', 'CREATE TABLE', 'needle', 'blåbær', 'first']) {
		assert.equal(bytes.indexOf(text), -1, text);
	}
});

inFolder('another password is refused, by them and by us', (file) => {
	make('create', file, password);
	for (const wrong of [password + 'x', '', next, password.toUpperCase()]) {
		assert.throws(() => openMailbox(file, wrong), { code: 'SQLITE_NOTADB' });
	}
	assert.equal(spawnSync(maker, ['read', file, next]).status, 3);
	const db = openMailbox(file, password);
	check(db);
	db.close();
});

inFolder('what a killed process left in the WAL is read', (file) => {
	make('abandon', file, password);
	assert.ok(existsSync(file + '-wal'));
	const db = openMailbox(file, password);
	check(db);
	db.close();
});

inFolder('what they write, we read', (file) => {
	make('create', file, password);
	const db = openMailbox(file, password);
	db.prepare('INSERT INTO value VALUES(?, 1, 1.5, NULL, ?)').run('second', 'fra Node');
	db.exec('CREATE INDEX by_number ON value(number); VACUUM');
	db.close();
	assert.equal(make('read', file, password), 'blåbærgrød 📬\nfra Node\n');
});

inFolder('a file of theirs is read by us', (file) => {
	make('create', file, password);
	const db = openMailbox(file, password);
	db.pragma('journal_mode=DELETE');
	db.exec(`VACUUM`);
	db.pragma(`rekey='${next}'`); // a new salt and key, written by the built-in cipher
	db.close();
	assert.equal(spawnSync(maker, ['read', file, password]).status, 3);
	assert.equal(make('read', file, next), 'blåbærgrød 📬\n');
});

inFolder('a re-keyed copy opens with the new password only', (file, copy) => {
	make('create', file, password);
	make('rekey', file, password, copy, next);
	assert.throws(() => openMailbox(copy, password), { code: 'SQLITE_NOTADB' });
	assert.throws(() => openMailbox(file, next), { code: 'SQLITE_NOTADB' });
	const db = openMailbox(copy, next);
	check(db);
	db.close();
});

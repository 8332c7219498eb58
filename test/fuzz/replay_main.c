/*
 * Runs a fuzz target over files instead of with a fuzzer, so that every build replays the corpora.
 * Each argument is a file or a folder of files. Prints TAP: one test for each argument.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return -1;
	struct stat st;
	if (fstat(fileno(file), &st) != 0) {
		fclose(file);
		return -1;
	}
	/* Exactly the size, so that the sanitizer sees a read past the end. */
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size == 0 ? 1 : size);
	size_t got = data == NULL ? 0 : fread(data, 1, size, file);
	fclose(file);
	if (got == size)
		LLVMFuzzerTestOneInput(data, size);
	free(data);
	return got == size ? 1 : -1;
}

static int replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	if (folder == NULL)
		return replay_file(path);
	int count = 0;
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		int one = replay_file(name);
		if (one < 0) {
			count = -1;
			break;
		}
		count += one;
	}
	closedir(folder);
	return count;
}

int main(int argc, char **argv)
{
	int failed = 0;
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int count = replay_folder(argv[i]);
		printf("%s %d - replay of %d inputs\n", count > 0 ? "ok" : "not ok", i, count);
		failed += count <= 0;
	}
	return failed == 0 ? 0 : 1;
}

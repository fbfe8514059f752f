/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes commands for tests/bench/bench and measures each: small and static, so that neither its
 * own fork nor the memory of an interpreter is in the figures (a child's ru_maxrss counts what it
 * had before it executed the program).
 *
 * A line on stdin is a command, its words parted by tabs:
 *
 *	run WORD...	executes it, waits for it
 *	reap FILE	waits for the process whose number is in FILE: a container's, which comes
 *			to this subreaper when its runtime ends
 *
 * Each is answered on stdout by "BEGIN END STATUS MAXRSS": nanoseconds of CLOCK_MONOTONIC, exit
 * status (128 + N for a signal), KiB. What the commands print goes to the file that argv[1] names.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 64

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static pid_t execute(char **words, const char *output)
{
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, STDIN_FILENO);
	fd = open(output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close_range(3, ~0U, 0);
	execvp(words[0], words);
	fprintf(stderr, "measure: %s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static pid_t read_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	int pid;

	if (file == NULL || fscanf(file, "%d", &pid) != 1)
		err(1, "%s", path);
	fclose(file);
	return pid;
}

static void measure(char **words, const char *output)
{
	int64_t begin = now();
	pid_t pid = strcmp(words[0], "run") == 0 ? execute(words + 1, output) : read_pid(words[1]);
	struct rusage usage = { 0 };
	int status = 0;

	if (wait4(pid, &status, 0, &usage) != pid)
		err(1, "wait for %d", pid);
	printf("%jd %jd %d %ld\n", (intmax_t)begin, (intmax_t)now(),
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), usage.ru_maxrss);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char line[65536];
	char *words[WORDS_MAX + 1];

	if (argc != 2)
		errx(1, "usage: measure OUTPUT");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		size_t count = 0;

		line[strcspn(line, "\n")] = '\0';
		for (char *word = strtok(line, "\t"); word != NULL && count < WORDS_MAX;
			word = strtok(NULL, "\t"))
			words[count++] = word;
		words[count] = NULL;
		if (count < 2)
			errx(1, "a command needs two words");
		measure(words, argv[1]);
	}
	return 0;
}

/*
 * Who a program runs as: USER, UID, USER:GROUP and so on, looked up in the zone's own files as container engines do it. A
 * number needs no entry, but gets the groups of one; an explicit group replaces all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zone.h"

#define LARGEST_ID 0xfffffffe /* the one above means "no id" */
#define FILE_LIMIT (4 * 1024 * 1024)

/* The whole of a file, ended with NUL; empty if it is not there, no file or too large. */
static char *read_whole(const char *path)
{
	struct stat info;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t length = 0, room = 0;
	if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= FILE_LIMIT)
		room = (size_t)info.st_size;
	char *content = malloc(room + 1);
	if (!content)
		_exit(126);
	for (ssize_t part; length < room && (part = read(file, content + length, room - length)) > 0;)
		length += (size_t)part;
	for (size_t at = 0; at < length; at++)
		if (content[at] == 0)
			content[at] = 1; /* part of a name that nobody asks for: what follows counts all the same */
	content[length] = 0;
	if (file >= 0)
		close(file);
	return content;
}

/* Cuts the next line off, and its fields at the colons; as many as there are places. */
static bool next_line(char **rest, char **fields, size_t places)
{
	char *line = *rest;
	if (!line || !*line)
		return false;
	*rest = strchr(line, '\n');
	if (*rest)
		*(*rest)++ = 0;
	for (size_t at = 0; at < places; at++) {
		fields[at] = line ? line : "";
		line = line ? strchr(line, ':') : NULL;
		if (line)
			*line++ = 0;
	}
	return true;
}

static bool parse_id(const char *text, uint32_t *id)
{
	uint64_t number;
	if (!parse_number(text, LARGEST_ID, &number))
		return false;
	*id = (uint32_t)number;
	return true;
}

static bool is_member(char *list, const char *name)
{
	for (char *end; list; list = end) {
		end = strchr(list, ',');
		size_t length = end ? (size_t)(end++ - list) : strlen(list);
		if (length == strlen(name) && strncmp(list, name, length) == 0)
			return true;
	}
	return false;
}

static bool find_group(const char *name, struct identity *identity)
{
	char *content = read_whole("/etc/group"), *rest = content, *fields[4];
	uint32_t number = 0, id;
	bool numeric = parse_id(name, &number), found = false;
	while (!found && next_line(&rest, fields, 4))
		if (parse_id(fields[2], &id) && (numeric ? id == number : strcmp(fields[0], name) == 0)) {
			identity->group = id;
			found = true;
		}
	if (!found && numeric)
		identity->group = number;
	free(content);
	return found || numeric || failed("user", 0, "there is no group", name);
}

static void find_memberships(const char *name, struct identity *identity)
{
	const size_t limit = sizeof identity->groups / sizeof *identity->groups;
	char *content = read_whole("/etc/group"), *rest = content, *fields[4];
	uint32_t id;
	while (identity->group_count < limit && next_line(&rest, fields, 4))
		if (parse_id(fields[2], &id) && is_member(fields[3], name))
			identity->groups[identity->group_count++] = id;
	free(content);
}

bool find_user(const char *specification, struct identity *identity)
{
	char name[256], matched[256] = "";
	strncpy(name, specification, sizeof name - 1);
	char *group = strchr(name, ':');
	if (strlen(specification) >= sizeof name)
		return failed("user", ENAMETOOLONG, "the name of the user is too long", "");
	if (group)
		*group++ = 0;
	uint32_t number = 0, id;
	bool numeric = !*name || parse_id(name, &number), found = false;
	char *content = read_whole("/etc/passwd"), *rest = content, *fields[7];
	*identity = (struct identity){ .user = number, .home = "/" };
	while (!found && next_line(&rest, fields, 7)) {
		if (!parse_id(fields[2], &id) || !(numeric ? id == number : strcmp(fields[0], name) == 0))
			continue;
		found = true;
		identity->user = id;
		if (!parse_id(fields[3], &identity->group))
			identity->group = 0;
		strncpy(matched, fields[0], sizeof matched - 1);
		if (*fields[5])
			strncpy(identity->home, fields[5], sizeof identity->home - 1);
	}
	free(content);
	if (!found && !numeric)
		return failed("user", 0, "there is no user", name);
	if (group && *group)
		return find_group(group, identity);
	if (*matched)
		find_memberships(matched, identity);
	return true;
}

/*
 * What is to be executed, as RUN and EXEC describe it: arguments, variables, directory, user, streams. The strings stay
 * where they came from, in the message.
 */
#include <stdlib.h>
#include <string.h>

#include "zone.h"

static void add(char ***list, size_t *count, size_t *room, char *text)
{
	if (*count + 1 >= *room) {
		*room = *room ? *room * 2 : 16;
		*list = realloc(*list, *room * sizeof **list);
		if (!*list)
			die("no memory");
	}
	(*list)[(*count)++] = text;
	(*list)[*count] = NULL;
}

bool program_field(struct program *program, struct field *field)
{
	if (field->tag != 36 && !field_text(field))
		return false;
	switch (field->tag) {
	case 32:
		add(&program->arguments, &program->argument_count, &program->argument_room, field->value);
		return true;
	case 33:
		if (!strchr(field->value, '='))
			return false;
		add(&program->variables, &program->variable_count, &program->variable_room, field->value);
		return true;
	case 34:
		program->directory = field->value;
		return true;
	case 35:
		program->user = field->value;
		return true;
	case 36:
		program->terminal = true;
		program->rows = (uint16_t)get_number((uint8_t *)field->value, 2);
		program->columns = (uint16_t)get_number((uint8_t *)field->value + 2, 2);
		return field->length == 4;
	case 37:
		program->input = true;
		return true;
	case 38:
		program->first = true;
		return true;
	case 39:
		return true;
	default:
		return false;
	}
}

bool program_ready(struct program *program)
{
	return program->argument_count > 0;
}

void program_free(struct program *program)
{
	free(program->arguments);
	free(program->variables);
}

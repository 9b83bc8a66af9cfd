/* The command hartbox-ai: inference by the host, for scripts. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "hartbox_ai.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"hartbox-ai info                       what the host offers\n"
	"hartbox-ai list                       models of the host\n"
	"hartbox-ai show MODEL                 what a model takes and gives\n"
	"hartbox-ai run MODEL NAME[:SIZES]=VALUES … [--times N]\n"
	"                                      run it: SIZES as 1x3, VALUES as 1,2.5,3 or @FILE with the elements' bytes;\n"
	"                                      0 in place of VALUES: all are 0. --times: how long that many runs take\n"
	"MODEL is the name of a model of the host, or a file here, with a slash in its path (./model.onnx).\n";

static hbai *ai;

static void give_up(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("hartbox-ai: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	exit(1);
}

static hbai_model open_model(const char *name)
{
	hbai_model model;
	if ((strchr(name, '/') ? hbai_load_file(ai, name, &model) : hbai_open_model(ai, name, &model)) < 0)
		give_up("%s", hbai_error(ai));
	return model;
}

static void show(const char *what, const hbai_tensor *tensor)
{
	printf("%s %s %s", what, tensor->name, hbai_type_name(tensor->type));
	for (unsigned i = 0; i < tensor->rank; i++) {
		if (tensor->sizes[i] == HBAI_ANY)
			printf("%s?", i ? "x" : " ");
		else
			printf("%s%u", i ? "x" : " ", tensor->sizes[i]);
	}
	printf("\n");
}

static void put_value(int type, void *at, const char *text)
{
	const int is_real = type == HBAI_FLOAT || type == HBAI_DOUBLE, bits = 8 * (int)hbai_size(type);
	const int is_signed = type == HBAI_INT8 || type == HBAI_INT16 || type == HBAI_INT32 || type == HBAI_INT64;
	double real = 0;
	unsigned long long whole = 0;
	char *end;
	if (type == HBAI_FLOAT16)
		give_up("values of the type float16 are given by @FILE");
	errno = 0;
	if (is_real)
		real = strtod(text, &end);
	else
		whole = is_signed ? (unsigned long long)strtoll(text, &end, 0) : strtoull(text, &end, 0);
	int is_wrong = end == text || *end;
	if (!is_real && errno == ERANGE)
		is_wrong = 1;
	if (is_signed && bits < 64)
		is_wrong |= (long long)whole < -(1ll << (bits - 1)) || (long long)whole >= 1ll << (bits - 1);
	else if (!is_real && bits > 0 && bits < 64)
		is_wrong |= whole >> bits != 0 || strchr(text, '-') != NULL;
	if (is_wrong)
		give_up("'%s' is no value of the type %s", text, hbai_type_name(type));
	switch (type) {
	case HBAI_FLOAT: *(float *)at = (float)real; break;
	case HBAI_DOUBLE: *(double *)at = real; break;
	case HBAI_UINT8: case HBAI_INT8: case HBAI_BOOL: *(uint8_t *)at = (uint8_t)whole; break;
	case HBAI_UINT16: case HBAI_INT16: *(uint16_t *)at = (uint16_t)whole; break;
	case HBAI_INT32: case HBAI_UINT32: *(uint32_t *)at = (uint32_t)whole; break;
	case HBAI_INT64: case HBAI_UINT64: *(uint64_t *)at = (uint64_t)whole; break;
	}
}

static void print_value(int type, const void *at)
{
	switch (type) {
	case HBAI_FLOAT: printf("%.9g", *(const float *)at); break;
	case HBAI_DOUBLE: printf("%.17g", *(const double *)at); break;
	case HBAI_UINT8: case HBAI_BOOL: printf("%u", *(const uint8_t *)at); break;
	case HBAI_INT8: printf("%d", *(const int8_t *)at); break;
	case HBAI_UINT16: case HBAI_FLOAT16: printf("%u", *(const uint16_t *)at); break;
	case HBAI_INT16: printf("%d", *(const int16_t *)at); break;
	case HBAI_INT32: printf("%d", *(const int32_t *)at); break;
	case HBAI_UINT32: printf("%u", *(const uint32_t *)at); break;
	case HBAI_INT64: printf("%lld", (long long)*(const int64_t *)at); break;
	case HBAI_UINT64: printf("%llu", (unsigned long long)*(const uint64_t *)at); break;
	}
}

/* NAME[:SIZES]=VALUES, for a model that says the rest. */
static hbai_tensor parse(const hbai_model *model, char *text)
{
	char *values = strchr(text, '=');
	const hbai_tensor *like = NULL;
	uint32_t sizes[HBAI_RANK_MAX];
	unsigned rank = 0;
	size_t count = 1;
	if (!values)
		give_up("'%s': an input is NAME=VALUES or NAME:SIZES=VALUES", text);
	*values++ = 0;
	char *dimensions = strchr(text, ':');
	if (dimensions)
		*dimensions++ = 0;
	for (unsigned i = 0; i < model->input_count; i++)
		if (!strcmp(model->inputs[i].name, text))
			like = &model->inputs[i];
	if (!like)
		give_up("the model has no input '%s'; hartbox-ai show tells which it has", text);
	if (dimensions) {
		for (char *one = strtok(dimensions, "x"); one && rank < HBAI_RANK_MAX; one = strtok(NULL, "x"))
			sizes[rank++] = (uint32_t)strtoul(one, NULL, 10);
	} else {
		for (; rank < like->rank; rank++)
			sizes[rank] = like->sizes[rank] == HBAI_ANY ? 1 : like->sizes[rank];
	}
	/* What no message has room for is no size. */
	for (unsigned i = 0; i < rank; i++)
		if ((count *= sizes[i]) > UINT32_MAX)
			give_up("the input '%s' is too large", text);
	size_t size = hbai_size(like->type), at = 0;
	char *data = calloc(count + 1, size ? size : 1);
	if (!data || !size)
		give_up("no memory, or a type that there is not");
	if (*values == '@') {
		FILE *file = fopen(values + 1, "rb");
		if (!file || fread(data, size, count, file) != count)
			give_up("%s, the file of '%s', has fewer than %zu bytes, or cannot be read", values + 1, text, size * count);
		fclose(file);
	} else if (strcmp(values, "0")) {
		for (char *one = strtok(values, ","); one; one = strtok(NULL, ","), at++)
			if (at < count)
				put_value(like->type, data + size * at, one);
		if (at != count)
			give_up("the input '%s' has %zu values, and by its sizes %zu", text, at, count);
	}
	return hbai_make(text, like->type, data, rank, sizes);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run(int argc, char **argv)
{
	enum { MOST = 64 };
	static hbai_tensor inputs[MOST], results[MOST];
	hbai_model model = open_model(argv[0]);
	unsigned count = 0;
	int times = 0, have;
	uint32_t microseconds;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--times") && i + 1 < argc)
			times = atoi(argv[++i]);
		else if (count < MOST)
			inputs[count++] = parse(&model, argv[i]);
	}
	have = hbai_run(ai, &model, inputs, count, results, MOST, &microseconds);
	if (have < 0)
		give_up("%s", hbai_error(ai));
	for (int i = 0; i < have; i++) {
		size_t size = hbai_size(results[i].type);
		show("output", &results[i]);
		for (size_t k = 0; size && k < results[i].bytes / size; k++) {
			printf(k ? " " : "");
			print_value(results[i].type, (const char *)results[i].data + size * k);
		}
		printf("\n");
	}
	if (times > 0) {
		double begun = seconds(), host = 0;
		for (int i = 0; i < times; i++) {
			if (hbai_run(ai, &model, inputs, count, results, MOST, &microseconds) < 0)
				give_up("%s", hbai_error(ai));
			host += microseconds;
		}
		printf("%d runs: %.3f ms each, %.3f ms of them in the host\n", times, 1000 * (seconds() - begun) / times, host / 1000 / times);
	}
}

int main(int argc, char **argv)
{
	char why[256];
	const char *command = argc > 1 ? argv[1] : "";
	int wants_help = !strcmp(command, "help");
	for (int i = 1; i < argc; i++)
		wants_help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
	if (wants_help || argc < 2) {
		fputs(usage, wants_help ? stdout : stderr);
		return wants_help ? 0 : 2;
	}
	ai = hbai_open(NULL, why, sizeof why);
	if (!ai)
		give_up("%s", why);
	if (!strcmp(command, "info")) {
		hbai_host host;
		if (hbai_hello(ai, &host) < 0)
			give_up("%s", hbai_error(ai));
		printf("%s\nprotocol %u, messages of %u bytes, models of %u MiB, %u at a time, %u ms for a run\n", host.backend, host.version,
		       host.message_bytes, host.model_mebibytes, host.models, host.milliseconds);
	} else if (!strcmp(command, "list")) {
		char *text = hbai_list(ai);
		if (!text)
			give_up("%s", hbai_error(ai));
		fputs(text, stdout);
	} else if (!strcmp(command, "show") && argc == 3) {
		hbai_model model = open_model(argv[2]);
		for (unsigned i = 0; i < model.input_count; i++)
			show("input", &model.inputs[i]);
		for (unsigned i = 0; i < model.output_count; i++)
			show("output", &model.outputs[i]);
	} else if (!strcmp(command, "run") && argc >= 3) {
		run(argc - 2, argv + 2);
	} else {
		fputs(usage, stderr);
		return 2;
	}
	hbai_close(ai);
	return 0;
}

/* The command hartbox-ai: inference by the host, for scripts. SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "hartbox_ai.h"

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

static void give_up(const char *what)
{
	fprintf(stderr, "hartbox-ai: %s\n", what);
	exit(1);
}

static hbai_model open_model(const char *name)
{
	hbai_model model;
	if ((strchr(name, '/') ? hbai_load_file(ai, name, &model) : hbai_open_model(ai, name, &model)) < 0)
		give_up(hbai_error(ai));
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
	double real = strtod(text, NULL);
	long long whole = strtoll(text, NULL, 0);
	switch (type) {
	case HBAI_FLOAT: *(float *)at = (float)real; break;
	case HBAI_DOUBLE: *(double *)at = real; break;
	case HBAI_UINT8: case HBAI_INT8: case HBAI_BOOL: *(uint8_t *)at = (uint8_t)whole; break;
	case HBAI_UINT16: case HBAI_INT16: *(uint16_t *)at = (uint16_t)whole; break;
	case HBAI_INT32: case HBAI_UINT32: *(uint32_t *)at = (uint32_t)whole; break;
	case HBAI_INT64: case HBAI_UINT64: *(uint64_t *)at = (uint64_t)whole; break;
	default: give_up("values of this type can only be given by @FILE");
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
		give_up("an input is NAME=VALUES or NAME:SIZES=VALUES");
	*values++ = 0;
	char *dimensions = strchr(text, ':');
	if (dimensions)
		*dimensions++ = 0;
	for (unsigned i = 0; i < model->input_count; i++)
		if (!strcmp(model->inputs[i].name, text))
			like = &model->inputs[i];
	if (!like)
		give_up("the model has no input of that name; hartbox-ai show tells");
	if (dimensions) {
		for (char *one = strtok(dimensions, "x"); one && rank < HBAI_RANK_MAX; one = strtok(NULL, "x"))
			sizes[rank++] = (uint32_t)strtoul(one, NULL, 10);
	} else {
		for (; rank < like->rank; rank++)
			sizes[rank] = like->sizes[rank] == HBAI_ANY ? 1 : like->sizes[rank];
	}
	for (unsigned i = 0; i < rank; i++)
		count *= sizes[i];
	size_t size = hbai_size(like->type), at = 0;
	char *data = calloc(count + 1, size ? size : 1);
	if (!data || !size)
		give_up("no memory, or a type that there is not");
	if (*values == '@') {
		FILE *file = fopen(values + 1, "rb");
		if (!file || fread(data, size, count, file) != count)
			give_up("the file of an input has too few bytes, or cannot be read");
		fclose(file);
	} else if (strcmp(values, "0")) {
		for (char *one = strtok(values, ","); one; one = strtok(NULL, ","), at++)
			if (at < count)
				put_value(like->type, data + size * at, one);
		if (at != count)
			give_up("an input has not as many values as its sizes say");
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
		give_up(hbai_error(ai));
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
				give_up(hbai_error(ai));
			host += microseconds;
		}
		printf("%d runs: %.3f ms each, %.3f ms of them in the host\n", times, 1000 * (seconds() - begun) / times, host / 1000 / times);
	}
}

int main(int argc, char **argv)
{
	char why[256];
	const char *command = argc > 1 ? argv[1] : "";
	if (!strcmp(command, "--help") || argc < 2) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2;
	}
	ai = hbai_open(NULL, why, sizeof why);
	if (!ai)
		give_up(why);
	if (!strcmp(command, "info")) {
		hbai_host host;
		if (hbai_hello(ai, &host) < 0)
			give_up(hbai_error(ai));
		printf("%s\nprotocol %u, messages of %u bytes, models of %u MiB, %u at a time, %u ms for a run\n", host.backend, host.version,
		       host.message_bytes, host.model_mebibytes, host.models, host.milliseconds);
	} else if (!strcmp(command, "list")) {
		char *text = hbai_list(ai);
		if (!text)
			give_up(hbai_error(ai));
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

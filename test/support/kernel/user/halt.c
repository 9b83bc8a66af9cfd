#include "user.h"

int main(int count, char **arguments) { halt(count > 1 ? number(arguments[1]) : 0); }

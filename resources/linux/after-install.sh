#!/bin/sh
# After an .rpm: the command on the PATH, and Chromium's sandbox for systems that let no ordinary program make user namespaces.
ln -sf /opt/Hartbox/resources/bin/hartbox /usr/bin/hartbox
chmod 4755 /opt/Hartbox/chrome-sandbox

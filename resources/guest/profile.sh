PS1='\[\e[1;32m\]\u@\h:\w\$\[\e[0m\] '
alias ls='ls --color=auto' ll='ls -l --color=auto'
# A serial line does not know the size of the terminal at its other end.
stty size > /dev/null 2>&1 || stty rows 24 columns 80
if [ -n "$BESIDE" ] || [ ! -e /run/welcomed ]; then
  [ -n "$BESIDE" ] || : > /run/welcomed
  echo "Welcome to Hartbox: Linux $(uname -r) on $(uname -m). \`poweroff\` switches the machine off."
fi

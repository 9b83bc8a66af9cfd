@rem The command of an installed Hartbox: its own Node with its own code.
@"%~dp0..\cli\node.exe" "%~dp0..\cli\out\main\cli.js" %*

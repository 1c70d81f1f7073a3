$node_(0) set X_ -40
$node_(0) set Y_ 2
$node_(1) set X_ -5
$node_(1) set Y_ -3
$node_(2) set X_ 24
$node_(2) set Y_ -1
$node_(3) set X_ 24
$node_(3) set Y_ 22
$node_(4) set X_ -20
$node_(4) set Y_ 0
$ns_ at 0 "$node_(4) setdest 25 0 1.5"

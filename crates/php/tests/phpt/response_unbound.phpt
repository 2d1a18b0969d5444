--TEST--
A Response and a Request made with new have nobody to talk to
--FILE--
<?php
$response = new Swoole\Http\Response();
$calls = ['header' => ['a', 'b'], 'setHeader' => ['a', 'b'], 'status' => [200], 'setStatusCode' => [200],
    'cookie' => ['a'], 'setCookie' => ['a'], 'rawcookie' => ['a'], 'setRawCookie' => ['a'], 'redirect' => ['/'],
    'write' => ['x'], 'end' => ['x'], 'close' => [], 'isWritable' => []];
foreach ($calls as $method => $arguments) {
    if ($response->$method(...$arguments) !== false) {
        echo "$method is wrong\n";
    }
}
var_dump(swoole_last_error(), $response);
$request = new Swoole\Http\Request();
var_dump($request->getContent(), $request->rawContent(), $request->getData(), $request->getMethod());
foreach ([$request, $response] as $object) {
    $object->own = 1;
    echo json_encode($object), "\n";
}
?>
--EXPECT--
int(7106)
object(Swoole\Http\Response)#1 (5) {
  ["fd"]=>
  int(0)
  ["socket"]=>
  NULL
  ["header"]=>
  NULL
  ["cookie"]=>
  NULL
  ["trailer"]=>
  NULL
}
bool(false)
bool(false)
bool(false)
bool(false)
{"fd":0,"streamId":0,"header":null,"server":null,"cookie":null,"get":null,"files":null,"post":null,"tmpfiles":null,"own":1}
{"fd":0,"socket":null,"header":null,"cookie":null,"trailer":null,"own":1}

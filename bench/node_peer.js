// The central system of npm's ocpp-rpc: validates in strict mode and stores nothing.
const {RPCServer} = require('ocpp-rpc');

const server = new RPCServer({protocols: ['ocpp1.6'], strictMode: true});
server.on('client', client => client.handle('MeterValues', () => ({})));
server.listen(0, '127.0.0.1').then(http => console.log(http.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
